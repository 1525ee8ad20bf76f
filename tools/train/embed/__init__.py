"""The recipe of the small sentence encoder, distilled from all-MiniLM-L6-v2."""
