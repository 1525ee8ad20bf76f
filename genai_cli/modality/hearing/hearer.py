"""What hears: a loaded model that turns windows of sound into segments of text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from genai_cli.content.segments import Segment, Word
from genai_cli.content.subtitles import UNSPACED
from genai_cli.modality.hearing.windows import Window

if TYPE_CHECKING:
    from genai_cli.events import Emit


@dataclass(frozen=True)
class Wish:
    """How a window is to be heard. `language` None: the model finds it."""

    language: str | None = None
    translate: bool = False
    word_timestamps: bool = False
    initial_prompt: str | None = None
    temperature: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Said:
    """What was heard in a window: segments with times in the whole sound, its language, and what is left to hear."""

    segments: tuple[Segment, ...]
    language: str | None = None
    rest: Window | None = None


class Hearer(Protocol):
    """A recogniser."""

    @property
    def length(self) -> float:
        """The seconds of its longest window."""

    @property
    def packs(self) -> bool:
        """Whether a window may hold several stretches of speech: it tells when each was said."""

    def choose_group(self, wish: Wish) -> int:
        """How many windows to take at once."""

    def prepare(self, windows: Sequence[Window], wishes: Sequence[Wish]) -> list[str | None]:
        """The languages of windows; None where the model does not tell."""

    def hear(self, windows: Sequence[Window], wishes: Sequence[Wish], emit: "Emit") -> list[Said]:
        """What is said in windows, whose wishes differ in language and seed alone."""


def join_words(pieces: Sequence[tuple[str, float, float]]) -> tuple[Word, ...]:
    """Words from the texts of tokens, each with its times: a word begins with a space, or in a script without them."""
    words: list[Word] = []
    for text, start, end in pieces:
        if not text:
            continue
        begins = not words or text[:1].isspace() or bool(re.match(UNSPACED, text))
        if begins:
            words.append(Word(start, end, text))
        else:
            words[-1] = Word(words[-1].start, end, words[-1].text + text)
    return tuple(word for word in words if word.text.strip())
