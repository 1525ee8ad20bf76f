"""What a result is made of: it checks, hashes, encodes, describes and prints itself, and reads files of its medium."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Gathered:
    """All results of a run as the pieces of one file, and of another that stands beside it, if there is one."""

    pieces: Iterable[bytes]
    beside: Iterable[bytes] | None = None
    suffix: str = ""
    """What the name of the file beside it has more."""


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
    """The ends of names of files that hold all results in a form of the medium, which `gather` writes."""

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

    def choose_suffixes(self, asked: str | None) -> tuple[str, ...]:
        """The file types of a result, the first one first; `asked` is what its name, its row or the command says."""
        return (asked or self.suffixes[0],)

    @classmethod
    def holds_record(cls, suffix: str) -> bool:
        """Whether a file of this type has a place for the record."""
        del suffix
        return not cls.record_beside

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
    def gather(cls, suffix: str, records: Callable[[], Iterator[JsonObject]], count: int) -> Gathered:
        """So many results in one file of a type of `wholes`; each call of `records` gives them. Raises InputError."""
        del records, count
        raise InputError(f"{cls.__name__.lower()} cannot be written as {suffix}")

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
    def own_columns(cls, record: Mapping[str, object]) -> list[str]:
        """The names of columns that a result has beside those: of its labels, a column each."""
        del record
        return []

    @classmethod
    def own_cells(cls, record: Mapping[str, object], names: list[str]) -> list[object]:
        """A result under the columns of these names."""
        del record
        return [None] * len(names)

    @classmethod
    def cells(cls, record: Mapping[str, object], count: int) -> list[object]:
        """A result under those columns; None where it has no answer."""
        del record, count
        return []

    @classmethod
    def rows(cls, record: Mapping[str, object], count: int) -> list[list[object]]:
        """The rows of a table that a result takes, each with its cells: one, unless a result is a list of things."""
        return [cls.cells(record, count)]
