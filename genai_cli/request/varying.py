"""Rows for all combinations of values: `--vary steps=10,20 --vary guidance=3,7`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Self

from genai_cli.errors import InputError, nearest
from genai_cli.request.lines import BadRow, Row, Rows
from genai_cli.request.option import declared_options, find_field
from genai_cli.request.request import Request
from genai_cli.request.rows import FileRows

RANGE = re.compile(r"(\d+)\.\.(\d+)")
ALTERNATIVES = re.compile(r"\{([^{}]*\|[^{}]*)\}")
COMMA = re.compile(r"(?<!\\),")
LONGEST_RANGE = 10_000
HINT = "it looks like steps=10,20,50 or seed=1..4; a comma within a value is written \\,"
SHARED_SEED = 1
ID = "id"


@dataclass(frozen=True)
class Axis:
    """An option, the field that it sets, and the values that it takes in turn."""

    word: str
    field: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, request_class: type[Request]) -> Self:
        """An axis from `steps=10,20`. Raises InputError."""
        word, separator, listed = text.partition("=")
        word = word.strip().lstrip("-")
        if not (word and separator and listed):
            raise InputError(f"--vary {text!r} is not an option with values", hint=HINT)
        declared = declared_options(request_class)
        field = find_field(request_class, word)
        if field not in declared:
            words = sorted(name for option in declared.values() for name in option.option.words)
            what = f"--vary: genai {request_class.task} has no option {word!r} that shapes a result"
            raise InputError(what, hint=nearest(word, words))
        values = tuple(value.replace("\\,", ",").strip() for value in COMMA.split(listed))
        found = RANGE.fullmatch(listed.strip())
        if found:
            first, last = int(found[1]), int(found[2])
            if not 0 <= last - first < LONGEST_RANGE:
                raise InputError(f"--vary {text!r}: a range counts up, by at most {LONGEST_RANGE}", hint=HINT)
            values = tuple(map(str, range(first, last + 1)))
        if len(set(values)) < len(values):
            raise InputError(f"--vary {text!r} has a value twice")
        return cls(word, field, values)


def parse_axes(texts: Sequence[str], request_class: type[Request]) -> list[Axis]:
    """The axes that a user asks for. Raises InputError where two vary one option."""
    axes = [Axis.parse(text, request_class) for text in texts]
    fields = [axis.field for axis in axes]
    twice = next((axis for axis in axes if fields.count(axis.field) > 1), None)
    if twice is not None:
        raise InputError(f"--vary names {twice.word} twice", hint="give all its values at once")
    return axes


class VariedRows:
    """Each row once for each combination of values, with an id that tells them apart."""

    def __init__(self, rows: Rows, axes: Sequence[Axis], subject: str, shared: Mapping[str, object]) -> None:
        self.rows = rows
        self.axes = axes
        self.subject = subject
        self.shared = shared
        """Fields that each row has unless it says otherwise."""
        self.folder: Path = getattr(rows, "folder", Path())

    def __iter__(self) -> Iterator[Row | BadRow]:
        seen: set[str] = set()
        for row in self.rows:
            if isinstance(row, BadRow):
                yield row
                continue
            clash = next((axis.word for axis in self.axes if axis.word in row.fields or axis.field in row.fields), None)
            if clash is not None:
                yield row.bad(InputError(f"the row sets {clash!r}, which --vary varies", hint="leave one of them out"))
                continue
            for values in product(*(axis.values for axis in self.axes)):
                own = {axis.word: value for axis, value in zip(self.axes, values, strict=True)}
                name = self.name_row(row, values, seen)
                yield replace(row, fields={**self.shared, **row.fields, **own, ID: name})

    def name_row(self, row: Row, values: Sequence[str], seen: set[str]) -> str:
        """An id from the row's own, or its prompt, and the values; no two are the same."""
        told = "-".join(f"{axis.word}-{value}" for axis, value in zip(self.axes, values, strict=True))
        name = f"{cut(str(row.fields.get(ID) or Path(str(row.fields.get(self.subject, ''))).name), told)}-{told}"
        unique, number = name, 2
        while unique in seen:
            unique, number = f"{name}-{number}", number + 1
        seen.add(unique)
        return unique


def cut(text: str, told: str) -> str:
    """The beginning of a text that leaves room for what tells its variations apart, in the name of a file."""
    words = "-".join(re.findall(r"\w+", text.lower()))
    return words.encode()[: max(8, 55 - len(told.encode()))].decode(errors="ignore").strip("-")


class ExpandedRows:
    """Each row once for each choice among the alternatives in its prompt: `a {red|green} {circle|star}` is four."""

    def __init__(self, rows: Rows, subject: str) -> None:
        self.rows = rows
        self.subject = subject
        self.folder: Path = getattr(rows, "folder", Path())

    def __iter__(self) -> Iterator[Row | BadRow]:
        for row in self.rows:
            text = row.fields.get(self.subject) if isinstance(row, Row) else None
            if isinstance(row, BadRow) or not isinstance(text, str) or not ALTERNATIVES.search(text):
                yield row
                continue
            for number, expanded in enumerate(expand(text), 1):
                name = {ID: f"{row.fields[ID]}-{number}"} if row.fields.get(ID) else {}
                yield replace(row, fields={**row.fields, self.subject: expanded, **name})


def expand(text: str) -> Iterator[str]:
    """A text with each choice among its alternatives, the last one changing first."""
    pieces = ALTERNATIVES.split(text)
    choices = [piece.split("|") if place % 2 else [piece] for place, piece in enumerate(pieces)]
    for chosen in product(*choices):
        yield "".join(chosen)


def unwrap(rows: Rows) -> Rows:
    """The rows as they were read, before they were varied."""
    while isinstance(rows, VariedRows | ExpandedRows):
        rows = rows.rows
    return rows


def is_batch(rows: Rows) -> bool:
    """Whether rows are those of a batch, which the same command resumes: from a file, or varied."""
    return isinstance(rows, VariedRows | ExpandedRows | FileRows)
