"""The recipe of the small speaking model."""
