"""What a run says while it works. Events flow up through one callable; only `console` prints them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Notice:
    """Something a user should know; with `once`, it is said once in a run however often it comes up."""

    text: str
    once: bool = False


@dataclass(frozen=True)
class Detail:
    """Something `-v` shows: a choice and its reason, or a time."""

    text: str


@dataclass(frozen=True)
class Stage:
    """What is being done now and cannot be counted: shown until something else is."""

    text: str


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of the work called `label`; finished when they are equal.

    They are steps of so many items at once, or for no item bytes that are fetched. Seconds are those of a sound.
    """

    label: str
    done: int
    total: int
    items: int = 1
    unit: Literal["step", "seconds"] = "step"


@dataclass(frozen=True)
class TextPiece:
    """The next piece of the text being made for one item, exact."""

    text: str


@dataclass(frozen=True)
class SoundPiece:
    """The next piece of the sound being made for one item: samples of one channel in 16 bits, little-endian."""

    samples: bytes
    sampling_rate: int


@dataclass(frozen=True)
class Preview:
    """What a picture looks like after `step` of `total` steps: RGB, row by row, 8 bits a channel."""

    pixels: bytes
    width: int
    height: int
    step: int
    total: int


@dataclass(frozen=True)
class AboutItem:
    """What is said of one of the items that are made at once: the one at this position among them."""

    item: int
    event: Notice | Detail | TextPiece | SoundPiece


Event = Notice | Detail | Stage | Progress | TextPiece | SoundPiece | Preview | AboutItem
Emit = Callable[[Event], None]


def tag_item(emit: Emit, item: int) -> Emit:
    """An `emit` for what concerns one item alone."""

    def tag(event: Event) -> None:
        emit(AboutItem(item, event) if isinstance(event, Notice | Detail | TextPiece | SoundPiece) else event)

    return tag


def shift_items(emit: Emit, first: int) -> Emit:
    """An `emit` for items of which the first is the one at this position among more."""

    def shift(event: Event) -> None:
        emit(AboutItem(first + event.item, event.event) if isinstance(event, AboutItem) else event)

    return shift


def ignore(_event: Event) -> None:
    """Takes what is said where nobody is to hear it."""
