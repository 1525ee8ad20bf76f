"""What a result is made of: it checks, hashes, encodes, describes and prints itself, and reads files of its medium."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, Self

from genai_cli.content.record import Record
from genai_cli.errors import InputError, ResultError
from genai_cli.events import Emit
from genai_cli.request.input import Input
from genai_cli.types import JsonObject

# The files that can carry a signature (C2PA), with their media types.
SIGNED_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".wav": "audio/wav",
}


class FilteredError(ResultError):
    """The model's own safety checker flagged the result."""


class Content(ABC):
    """One finished result of a medium, before it is a file."""

    suffixes: ClassVar[tuple[str, ...]]
    """The file types that it can be written as, the usual one first."""
    exact: ClassVar[frozenset[str]]
    """The media types that keep the content exactly, so that a change of the file can be told."""
    printed: ClassVar[bool] = False
    """Whether results are shown on stdout, and many of them may stand in one file."""
    written: ClassVar[bool] = True
    """Whether a result becomes a file in the current folder where the user names no place."""
    apart: ClassVar[bool] = True
    """Whether a rule stands between several results that were shown as they were made."""
    record_beside: ClassVar[bool] = False
    """Whether a file has no place for the record, so that it stands in NAME.json beside it."""
    wholes: ClassVar[tuple[str, ...]] = ()
    """The ends of names of files that hold all results in a form of the medium, which `assemble` writes."""

    @abstractmethod
    def check(self) -> None:
        """Raise ResultError where the result is not fit to keep, with what to try."""

    @abstractmethod
    def sha256(self) -> str:
        """The hash of the content itself, whatever file it goes into."""

    @abstractmethod
    def encode(self, record: Record, suffix: str, mark: str | None) -> bytes:
        """The file's bytes with the record in it, and the IPTC source type that marks it. Raises OutputError."""

    def facts(self) -> JsonObject:
        """What a record holds of the content itself, where that is small."""
        return {}

    @classmethod
    @abstractmethod
    def read(cls, source: Input, emit: Emit) -> Self:
        """The content of a file, decoded within bounds; what was changed is emitted. Raises InputError."""

    @classmethod
    def keeps(cls, source: Input) -> bool:
        """Whether a file of the medium keeps content exactly, as its media type tells."""
        return source.media_type in cls.exact

    def is_written_as(self, sha256: str) -> bool:
        """Whether this, as read from a file, is what the file holds of a content with that hash."""
        return self.sha256() == sha256

    @classmethod
    def stands_beside(cls, suffix: str) -> bool:
        """Whether the record stands beside a file of this type."""
        del suffix
        return cls.record_beside

    @classmethod
    def lines(cls, record: Mapping[str, object], title: str | None) -> Iterator[str]:
        """What stdout shows of a result; with `title` where it is one of several."""
        del record, title
        raise InputError(f"{cls.__name__.lower()} cannot be printed")

    @classmethod
    def details(cls, record: Mapping[str, object]) -> Iterator[str]:
        """What stdout shows below a result that was printed, where the record holds more than it."""
        del record
        yield from ()

    @classmethod
    def count_cells(cls, record: Mapping[str, object]) -> int:
        """How many answers a table would hold of a result."""
        del record
        return 1

    @classmethod
    def columns(cls, count: int) -> list[str]:
        """The names of a table's columns for so many answers."""
        del count
        return []

    @classmethod
    def cells(cls, record: Mapping[str, object], count: int) -> list[object]:
        """A result under those columns; None where it has no answer."""
        del record, count
        return []

    @classmethod
    def rows(cls, record: Mapping[str, object], count: int) -> list[list[object]]:
        """The rows of a table that a result takes, each with its cells: one, unless a result is a list of things."""
        return [cls.cells(record, count)]

    @classmethod
    def assemble(cls, suffix: str, records: Callable[[], Iterable[Mapping[str, object]]]) -> Iterator[str]:
        """The pieces of one file of such a type; each call of `records` gives those of all results, in their order."""
        del records
        raise InputError(f"{cls.__name__.lower()} cannot be written as {suffix}")
