"""One result as a gallery shows it. Records may be anyone's: each value is taken for what it is, never trusted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from genai_cli.content import picture_reading, sound_reading
from genai_cli.request.request import PROMPT
from genai_cli.types import JsonObject

PICTURE, SOUND, WORDS, NOTHING = "picture", "sound", "words", "nothing"
DONE, ORIGINAL = "done", "original"
LARGEST = 1e15  # of the numbers of a record
MAX_WORDS = 100_000  # characters of a text file that are shown


@dataclass(frozen=True)
class Item:
    """A result: its record, its file if it has one of its own, and how it ended.

    `sha256` is of the file's bytes. A file that another result was made from, and that genai did not make, has the
    status "original" and a record with its name alone.
    """

    record: JsonObject
    file: Path | None = None
    status: str = DONE
    sha256: str | None = None

    @property
    def kind(self) -> str:
        """What is there to see: a picture, a sound, words, or nothing."""
        suffix = self.file.suffix.lower() if self.file else ""
        if suffix in picture_reading.READ_SUFFIXES:
            return PICTURE
        if suffix in sound_reading.READ_SUFFIXES:
            return SOUND
        return WORDS if self.words or self.labels or self.found_nothing else NOTHING

    @property
    def task(self) -> str:
        """The task, or `original`."""
        return self.text("task") or (ORIGINAL if self.status == ORIGINAL else "")

    @property
    def title(self) -> str:
        """The prompt, else the names of the files that it was made from, else its own name."""
        names = ", ".join(str(stated.get("name", "")) for stated in self.inputs.values())
        return self.text(PROMPT) or names or (self.file.name if self.file else self.text("id"))

    @property
    def words(self) -> str:
        """The text that was made."""
        return self.text("text")

    @property
    def labels(self) -> list[tuple[str, float]]:
        """Labels with their scores, those of boxes too."""
        stated = self.record.get("labels", self.record.get("boxes"))
        pairs = [pair for pair in stated if isinstance(pair, dict)] if isinstance(stated, list) else []
        scored = [(pair.get("label"), pair.get("score")) for pair in pairs]
        return [(str(label or ""), float(score)) for label, score in scored if is_number(score)]

    @property
    def found_nothing(self) -> bool:
        """Whether a picture was searched in vain."""
        return self.record.get("boxes") == []

    @property
    def inputs(self) -> dict[str, JsonObject]:
        """The files that it was made from, as the record states them."""
        stated = self.record.get("inputs")
        files = stated if isinstance(stated, dict) else {}
        return {str(name): value for name, value in files.items() if isinstance(value, dict)}

    @property
    def sources(self) -> Iterator[str]:
        """The SHA-256 of each of those files."""
        for stated in self.inputs.values():
            if isinstance(stated.get("sha256"), str):
                yield stated["sha256"]

    def text(self, *names: str) -> str:
        """A value of the record, also one inside another, as text; empty where there is none."""
        value: object = self.record
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number that can be reckoned with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST


def read_words(file: Path) -> str:
    """The beginning of a text file; nothing where it is gone."""
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_WORDS).decode(errors="replace")
    except OSError:
        return ""
