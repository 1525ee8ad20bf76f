"""What a model asks of a processor."""

from dataclasses import dataclass
from enum import StrEnum


class Work(StrEnum):
    """What a model does most of the time."""

    PICTURES = "pictures"
    """Convolutions, and products of thousands of positions at once."""
    TOKENS = "tokens"
    """One token after the other, of one text or of several."""
    READING = "reading"
    """Whole texts at once."""
    HEARING = "hearing"
    """A window of sound at once, then one token after the other."""


@dataclass(frozen=True)
class Burden:
    """What a model asks of a processor: its work (None: not known), its weights in bytes, and whether they shrink."""

    work: Work | None = None
    weights: int = 0
    quantized: bool = False
