"""The recipe of the small model that describes pictures."""
