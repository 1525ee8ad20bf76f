"""The recipe of the small model that detects shapes."""
