"""Text as plain UTF-8; its record stands beside it, since a text file has no place for one."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from genai_cli.content.content import Content
from genai_cli.content.record import Record
from genai_cli.errors import InputError, ResultError
from genai_cli.events import Emit
from genai_cli.harmless import shorten
from genai_cli.request.input import Input
from genai_cli.types import JsonObject

MAX_BYTES = 100_000_000
WORD = 12  # columns of a word in a table of shares


@dataclass(frozen=True)
class Text(Content):
    """A text, exact. `made` is what of it a model added (None: all of it), with why it ended and its tokens."""

    suffixes: ClassVar[tuple[str, ...]] = (".txt",)
    exact: ClassVar[frozenset[str]] = frozenset()
    printed: ClassVar[bool] = True
    record_beside: ClassVar[bool] = True

    text: str
    made: str | None = None
    finish_reason: str | None = None
    tokens: Mapping[str, int] | None = None

    def check(self) -> None:
        """Raise ResultError for a text to which the model added nothing."""
        if self.made is not None and not self.made.strip():
            raise ResultError("the model added no text", hint="try another seed, or a higher --temperature")

    def sha256(self) -> str:
        """Of the text as UTF-8."""
        import hashlib

        return hashlib.sha256(self.text.encode()).hexdigest()

    def encode(self, record: Record, suffix: str, mark: str | None) -> bytes:
        """The file's bytes: the text, ended by a newline."""
        del record, suffix, mark
        return (self.text if self.text.endswith("\n") else self.text + "\n").encode()

    def facts(self) -> JsonObject:
        """The text itself, why it ended, and how many tokens were read and made."""
        return {"text": self.text, "finish_reason": self.finish_reason, "tokens": dict(self.tokens or {})}

    @classmethod
    def read(cls, source: Input, emit: Emit) -> Self:
        """The text of a file. Raises InputError."""
        del emit
        if source.size > MAX_BYTES:
            raise InputError(f"{source.name} cannot be read: it is over {MAX_BYTES // 10**6} MB")
        with source.open() as stream:
            try:
                return cls(stream.read().decode())
            except UnicodeDecodeError:
                raise InputError(f"{source.name} is not UTF-8") from None

    @classmethod
    def keeps(cls, source: Input) -> bool:
        """A text file keeps its text; its first bytes do not tell its type."""
        del source
        return True

    def is_written_as(self, sha256: str) -> bool:
        """Whether this is what a file holds of a text with that hash; writing it may have ended it by a newline."""
        return sha256 in (self.sha256(), Text(self.text.removesuffix("\n")).sha256())

    @classmethod
    def lines(cls, record: Mapping[str, object], title: str | None) -> Iterator[str]:
        del title
        yield str(record["text"])

    @classmethod
    def details(cls, record: Mapping[str, object]) -> Iterator[str]:
        """A line for each step of the model: the word that was taken, and the likeliest ones, each with its share."""
        steps = record.get("logprobs")
        if not isinstance(steps, list):
            return
        yield f"{'step':>4}  {'taken':<{WORD + 8}}  likeliest"
        for number, step in enumerate(steps, 1):
            likeliest = "  ".join(map(show_share, step["top_logprobs"]))
            yield f"{number:>4}  {show_share(step)}  {likeliest}".rstrip()

    @classmethod
    def columns(cls, count: int) -> list[str]:
        del count
        return ["completion"]

    @classmethod
    def cells(cls, record: Mapping[str, object], count: int) -> list[object]:
        """What a model added to its prompt."""
        del count
        if "text" not in record:
            return [None]
        text, parameters = str(record["text"]), record.get("parameters")
        echoes = isinstance(parameters, dict) and parameters.get("echo")
        return [text.removeprefix(str(record.get("prompt"))) if echoes else text]


def show_share(step: Mapping[str, object]) -> str:
    """A word with its share in percent, in a column of its own. Quotes show the space that a word may begin with."""
    word = shorten(json.dumps(str(step["token"]), ensure_ascii=False), WORD)
    return f"{word:<{WORD}} {100 * math.exp(float(str(step['logprob']))):>5.1f} %"


def build_part(text: str) -> dict[str, str]:
    """A text as a part of a chat message, beside which pictures may stand."""
    return {"type": "text", "text": text}
