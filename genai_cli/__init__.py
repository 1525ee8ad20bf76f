"""genai: one command for local generative AI."""

__version__ = "0.1.0"
