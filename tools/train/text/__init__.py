"""The recipe of the small language model: English prose in the manner of 19th-century novels."""
