"""genai: one command for local generative AI."""

__version__ = "0.2.0"
