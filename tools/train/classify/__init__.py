"""The recipe of the small classifier: POSITIVE or NEGATIVE opinions."""
