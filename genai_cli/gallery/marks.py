"""Boxes as the page draws them over their picture: places in percent of it, in the colours of drawn pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from genai_cli.content.box_drawing import Box, Colour, choose_colour, choose_ink
from genai_cli.gallery.item import Item, is_number
from genai_cli.harmless import one_line
from genai_cli.types import JsonObject

MOST = 300  # boxes of a picture: what a detector looks for at most
LONGEST = 100  # characters of a label


@dataclass(frozen=True)
class Mark:
    """A box with its label in one line, and where it is: left, top, width and height in percent of the picture."""

    box: Box
    place: tuple[float, float, float, float]

    @property
    def colours(self) -> tuple[str, str]:
        """Those of the box and of the letters on it, as CSS has them."""
        colour = choose_colour(self.box.label)
        return show_colour(colour), show_colour(choose_ink(colour))

    def brief(self) -> list[object]:
        """What a card draws."""
        return [*self.place, *self.colours, shorten(self.box.label)]

    def fields(self) -> JsonObject:
        """What the detail view draws and lists."""
        colour, ink = self.colours
        found = {"label": shorten(self.box.label), "score": self.box.score, "box": list(self.box.place)}
        return {**found, "place": list(self.place), "colour": colour, "ink": ink}


def list_marks(item: Item) -> list[Mark]:
    """The boxes of a result, as the record has them: the best first. What is not a box of its picture is left out."""
    stated, size = item.record.get("boxes"), item.record.get("size")
    if not isinstance(stated, list) or not isinstance(size, list) or len(size) != 2:
        return []
    if not all(is_number(side) and side >= 1 for side in size):
        return []
    return list(islice(place_boxes(map(read_box, stated), size[0], size[1]), MOST))


def read_box(stated: object) -> Box | None:
    """A box of a record; None for what is none."""
    if not isinstance(stated, dict) or not isinstance(place := stated.get("box"), list) or len(place) != 4:
        return None
    if not all(map(is_number, (stated.get("score"), *place))):
        return None
    return Box(str(stated.get("label", "")), float(stated["score"]), *map(float, place))


def place_boxes(boxes: Iterator[Box | None], width: float, height: float) -> Iterator[Mark]:
    """The boxes that are in a picture of this size, cut at its edges."""
    for box in boxes:
        if box is None:
            continue
        left, right = (percent(edge, width) for edge in (box.x, box.x + box.width))
        top, bottom = (percent(edge, height) for edge in (box.y, box.y + box.height))
        if left < right and top < bottom:
            yield Mark(box, (left, top, round(right - left, 2), round(bottom - top, 2)))


def percent(edge: float, side: float) -> float:
    """A place along a side."""
    return round(100 * min(max(edge / side, 0), 1), 2)


def shorten(label: str) -> str:
    """A label in one line."""
    return one_line(label)[:LONGEST]


def show_colour(colour: Colour) -> str:
    """A colour as CSS has it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
