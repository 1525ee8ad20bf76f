"""Numbers as headings have them: figures, Roman numerals, and words in English and German."""

ONES = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
)
GERMAN = "erste zweite dritte vierte fünfte sechste siebte achte neunte zehnte elfte zwölfte"
ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def any_of(words: str) -> str:
    """A pattern of one of the words that stand between spaces, a longer one before its beginning."""
    return f"(?:{'|'.join(sorted(words.split(), key=len, reverse=True))})"


COUNTED = rf"(?:{any_of(TENS)}(?:[- ]{any_of(ONES)})?|{any_of(ONES)})"
"""A pattern of numbers in words: `twenty-one`."""
ORDERED = rf"(?:{any_of(ORDINALS)}|{any_of(GERMAN)}[rs]?|last)"
"""A pattern of places in an order, in words: `first`, `Erstes`."""


def read_number(text: str) -> int | str:
    """The number that a text stands for; one that is not known stays as it stands, in small letters."""
    word = text.lower().replace(" ", "-")
    if word.isdecimal():
        return int(word)
    ones, tens = ONES.split(), TENS.split()
    if word in ones:
        return ones.index(word) + 1
    ten, _, one = word.partition("-")
    if ten in tens and (not one or one in ones):
        return 10 * (tens.index(ten) + 2) + (ones.index(one) + 1 if one else 0)
    for names, forms in ((ORDINALS.split(), (word,)), (GERMAN.split(), (word, word[:-1]))):
        for form in forms:
            if form in names:
                return names.index(form) + 1
    return read_roman(text.upper()) if set(text.upper()) <= set(ROMAN) else word


def read_roman(letters: str) -> int:
    """The value of a Roman number."""
    values = [ROMAN[letter] for letter in letters]
    later = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, later, strict=True))
