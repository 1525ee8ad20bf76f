"""The recipe of the small transcribing model."""
