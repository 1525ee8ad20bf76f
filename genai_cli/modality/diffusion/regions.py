"""Where in a picture an edit works, and at which size: plain arithmetic on sides in pixels."""

import math
from typing import NamedTuple, Self

from genai_cli.errors import InputError

AUTO, WHOLE = "auto", "whole"
SURROUNDINGS = 0.5  # of a masked part's own sides, around it on all sides together
SMALLER = 0.8  # a region that is nearly the whole picture gains nothing
LONGEST = 8  # how many times its other side a picture may be long: models draw the same thing again and again beyond


class Box(NamedTuple):
    """A part of a picture, in pixels: right and bottom are the first that are not in it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def slices(self) -> tuple[slice, slice]:
        """Where it is in an array of rows."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`LEFT,TOP,RIGHT,BOTTOM`. Raises InputError."""
        return cls(*parse_four(text, "--region", f"{AUTO}, {WHOLE}, or LEFT,TOP,RIGHT,BOTTOM in pixels"))

    def __str__(self) -> str:
        return ",".join(map(str, self))


def parse_four(text: str, option: str, what: str) -> list[int]:
    """Four whole numbers between commas. Raises InputError, which says that the option is `what`."""
    numbers = [part.strip() for part in text.split(",")]
    if len(numbers) != 4 or not all(part.isdecimal() and len(part) < 10 for part in numbers):
        raise InputError(f"{option} must be {what}, not {text!r}")
    return [int(part) for part in numbers]


def choose_region(region: str, size: tuple[int, int], masked: Box, own_side: int) -> Box:
    """The part of a picture that a masked edit works on: the masked part with surroundings, if that is smaller.

    It is at least as large as what the model makes, so that nothing is enlarged for it. Raises InputError for a region
    that is not in the picture, or without the whole masked part.
    """
    width, height = size
    whole = Box(0, 0, width, height)
    if region == WHOLE:
        return whole
    if region != AUTO:
        return check_region(Box.parse(region), whole, masked)
    left, right = widen(masked.left, masked.right, width, own_side)
    top, bottom = widen(masked.top, masked.bottom, height, own_side)
    found = Box(left, top, right, bottom)
    return found if found.width * found.height <= SMALLER * width * height else whole


def widen(begin: int, end: int, limit: int, least: int) -> tuple[int, int]:
    """A stretch of a side with its surroundings, moved so that it stays within the picture."""
    wanted = min(limit, max(least, math.ceil((end - begin) * (1 + SURROUNDINGS))))
    start = min(max(0, (begin + end - wanted) // 2), limit - wanted)
    return start, start + wanted


def check_region(region: Box, whole: Box, masked: Box) -> Box:
    """A region that a user names. Raises InputError."""
    if region.right > whole.right or region.bottom > whole.bottom or region.width < 1 or region.height < 1:
        raise InputError(f"--region {region} is not a part of a picture of {whole.width}x{whole.height}")
    inside = region.left <= masked.left and region.top <= masked.top
    if not (inside and region.right >= masked.right and region.bottom >= masked.bottom):
        raise InputError(f"--region {region} does not hold all of the mask, which is {masked}")
    return region


def fit_size(width: int, height: int, own_side: int, multiple: int) -> tuple[int, int]:
    """The size at which a model works on a picture: as many pixels as it makes, the picture's aspect, its multiples.

    Raises InputError for one that is much longer than wide.
    """
    if max(width, height) > LONGEST * min(width, height):
        hint = "cut a part out of it, or name a size: --size WIDTHxHEIGHT"
        raise InputError(f"a picture of {width}x{height} is too long for a model", hint=hint)
    scale = math.sqrt(own_side**2 / (width * height))
    fitted = [max(multiple, round(side * scale / multiple) * multiple) for side in (width, height)]
    return fitted[0], fitted[1]
