"""Boxes are drawn on a picture: a colour for each label, and the label where it can be read."""

import colorsys
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genai_cli.harmless import one_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.ImageDraw import ImageDraw

LINE = 1 / 300  # of the picture's longer side
LETTERS = 1 / 40
SMALLEST_LETTERS = 10  # pixels; smaller ones cannot be read
LARGEST_LETTERS = 48
EVEN = 0.05 * (21**0.5 - 1)  # the luminance on which black and white stand out alike
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Box:
    """A thing in a picture: its label, its score from 0 to 1, and where it is, in pixels from the upper left corner."""

    label: str
    score: float
    x: float
    y: float
    width: float
    height: float

    @property
    def place(self) -> tuple[float, float, float, float]:
        """x, y, width and height."""
        return self.x, self.y, self.width, self.height


def draw_boxes(pixels: "NDArray[np.uint8]", boxes: Sequence[Box]) -> "NDArray[np.uint8]":
    """A copy of a picture of shape (height, width, 3) with its boxes, the best one on top."""
    import numpy
    from PIL import Image, ImageDraw

    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    longer = max(image.size)
    for box in reversed(boxes):
        colour = choose_colour(box.label)
        right, bottom = box.x + box.width, box.y + box.height
        edges = (round(box.x), round(box.y), max(round(right) - 1, round(box.x)), max(round(bottom) - 1, round(box.y)))
        draw.rectangle(edges, outline=colour, width=max(1, round(longer * LINE)))
    for box in reversed(boxes):
        draw_label(draw, box, image.size)
    return numpy.asarray(image)


def draw_label(draw: "ImageDraw", box: Box, size: tuple[int, int]) -> None:
    """The label with its score above a box, or in it where there is no room, inside the picture."""
    from PIL import ImageFont

    letters = min(max(max(size) * LETTERS, SMALLEST_LETTERS), LARGEST_LETTERS)
    font = ImageFont.load_default(letters)
    text = f"{one_line(box.label)} {100 * box.score:.0f} %"
    left, top, right, bottom = font.getbbox(text)
    width, height = right - left + 4, bottom - top + 4
    x = max(0, min(box.x, size[0] - width))
    y = box.y - height if box.y >= height else min(box.y, size[1] - height)
    colour = choose_colour(box.label)
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    draw.text((x + 2 - left, y + 2 - top), text, font=font, fill=choose_ink(colour))


def choose_colour(label: str) -> Colour:
    """The colour of a label: the same in every picture."""
    digest = hashlib.sha256(label.encode(errors="replace")).digest()
    red, green, blue = colorsys.hsv_to_rgb(digest[0] / 256, 0.75 + digest[1] / 1024, 0.75 + digest[2] / 1024)
    return round(red * 255), round(green * 255), round(blue * 255)


def choose_ink(colour: Colour) -> Colour:
    """Black or white, whichever stands out more on a colour: by 4.5 to 1 at least (WCAG 2.2, relative luminance)."""
    parts = [part / 255 for part in colour]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return (0, 0, 0) if 0.2126 * red + 0.7152 * green + 0.0722 * blue > EVEN else (255, 255, 255)
