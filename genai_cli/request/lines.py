"""Lines of a text as rows, each with its place, and what is wrong with a row."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from genai_cli.errors import GenaiError, InputError
from genai_cli.request.encoding import NAMED
from genai_cli.request.made_in import MadeIn
from genai_cli.types import JsonObject

MAX_ROW = 1_000_000  # bytes


@dataclass(frozen=True)
class Row:
    """One prompt with the options that its row overrides, and where it stands (None: the command line)."""

    fields: JsonObject
    place: str | None = None
    columns: tuple[str, ...] = ()
    cells: tuple[object, ...] = ()
    """The row of a table as it stood, by its columns; () where there is no table."""
    made_in: MadeIn | None = None

    def bad(self, error: GenaiError) -> "BadRow":
        """The row as one that cannot be used."""
        message = f"{self.place}: {error.message}" if self.place else error.message
        return BadRow(InputError(message, error.hint), self)


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used; its error names file and line."""

    error: InputError
    row: Row


Rows = Iterable[Row | BadRow]


def read_lines(stream: BinaryIO, name: str) -> Iterator[tuple[str, str] | BadRow]:
    """The lines of a text, each with its place; empty ones are skipped."""
    number = 0
    while line := stream.readline(MAX_ROW + 1):
        number += 1
        place = f"{name}:{number}"
        if len(line) > MAX_ROW:
            end_line(stream, line)
            yield Row({}, place).bad(too_long())
            continue
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            yield Row({}, place).bad(not_utf8())
            continue
        if text.strip():
            yield text.removesuffix("\n").removesuffix("\r"), place


def end_line(stream: BinaryIO, line: bytes) -> None:
    """Skip what is left of a line that is too long."""
    while line and not line.endswith(b"\n"):
        line = stream.readline(MAX_ROW)


def too_long() -> InputError:
    """The error for a row past the limit."""
    return InputError(f"longer than {MAX_ROW} bytes")


def not_utf8() -> InputError:
    """The error for a row in another encoding."""
    return InputError("not UTF-8", hint=NAMED)


def is_utf8(cell: str) -> bool:
    """Whether a cell held UTF-8 when it was read; what was not stands in it as lone surrogates."""
    return cell.isascii() or not any("\ud800" <= character <= "\udfff" for character in cell)
