"""The recipe of the small image model: drawings of coloured shapes from a prompt."""
