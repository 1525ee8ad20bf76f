"""Prompts from the command line, from standard input and from files become rows, read as a stream."""

import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from genai_cli.errors import GenaiError, InputError
from genai_cli.request.request import PROMPT
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FILE_TYPES = (".txt", ".jsonl", ".csv")
MAX_ROW = 1_000_000  # bytes
STDIN = "-"
LINE = "line"  # under which a line of a text stands before its columns are known


@dataclass(frozen=True)
class Row:
    """One prompt with the options that its row overrides, and where it stands (None: the command line)."""

    fields: JsonObject
    place: str | None = None
    columns: tuple[str, ...] = ()
    cells: tuple[object, ...] = ()
    """The row of a table as it stood, by its columns; () where there is no table."""

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


def read_rows(
    prompts: Sequence[str],
    file: str | None,
    stdin: BinaryIO,
    column: str | None = None,
    subjects: Sequence[str] = (PROMPT,),
    are_files: bool = False,
) -> Rows:
    """The rows of the prompts given (`-` is standard input, one a line) or of the prompts file; can be iterated again.

    Where the prompts given `are_files`, `-` is one of them.

    `subjects` are the fields that hold what a row is about, one for each task that rows may be of. Raises InputError
    where there are no rows, or the file cannot be read.
    """
    if prompts.count(STDIN) > 1:
        raise InputError("standard input can be read once: give - once")
    if file is not None and prompts:
        raise InputError("give prompts or --prompts FILE, not both")
    if file is not None:
        return FileRows(file, stdin, column, subjects)
    if column is not None:
        raise InputError("--column names a column of a table", hint="--prompts FILE gives one: .csv or .jsonl")
    rows: list[Row | BadRow] = []
    for prompt in prompts:
        if prompt == STDIN and not are_files:
            rows += text_rows(stdin, "standard input", subjects[0])
        else:
            rows.append(Row({subjects[0]: prompt}))
    if not rows:
        if STDIN in prompts:
            raise InputError(f"standard input holds no {subjects[0]}s")
        how = "one in quotes" if subjects[0] == PROMPT else "the path of a file"
        raise InputError(f"no {subjects[0]} given", hint=f"give {how}, - for standard input, or --prompts FILE")
    return rows


class FileRows:
    """The rows of a .txt, .jsonl or .csv file or of standard input (`-`), read again at each iteration.

    What has no type in its name is JSON lines where it begins with {, else a prompt a line, or with `column` a CSV
    table. `column` names the one that holds the prompt; the others are then data and no options.
    """

    def __init__(
        self, file: str, stdin: BinaryIO, column: str | None = None, subjects: Sequence[str] = (PROMPT,)
    ) -> None:
        self.path = Path(file).expanduser()
        self.folder = Path() if file == STDIN else self.path.parent
        """What the paths of input files in the rows are relative to."""
        self.subjects = subjects
        self.name = "standard input" if file == STDIN else str(self.path)
        self.column = column
        self.spool: BinaryIO | None = None
        suffix = self.path.suffix.lower()
        if suffix not in (*FILE_TYPES, ""):
            raise InputError(f"cannot read prompts from {suffix} ({file})", hint=f"one of {', '.join(FILE_TYPES)}")
        if file == STDIN:
            self.spool = spooled(stdin)
        else:
            with self.open() as stream:
                if not self.path.is_file():  # a pipe, which can be read once
                    self.spool = spooled(stream)
        self.suffix = suffix or self.type_of_content()
        if self.suffix == ".txt" and column is not None:
            raise InputError(f"--column names a column of a table, and {self.name} is none", hint=".csv or .jsonl")

    def open(self) -> BinaryIO:
        """The rows' bytes from their beginning. Raises InputError where they cannot be read."""
        if self.spool is not None:
            return io.BufferedReader(FromStart(self.spool.fileno()))
        try:
            return self.path.open("rb")
        except OSError as error:
            raise InputError(f"cannot read the prompts file {self.path}: {error.strerror}") from None

    def type_of_content(self) -> str:
        """What the first line that is not empty tells."""
        with self.open() as stream:
            first = next((line.strip() for line in iter(lambda: stream.readline(MAX_ROW), b"") if line.strip()), b"")
        if first.removeprefix(b"\xef\xbb\xbf").startswith(b"{"):
            return ".jsonl"
        return ".txt" if self.column is None else ".csv"

    def __iter__(self) -> Iterator[Row | BadRow]:
        with self.open() as stream:
            if self.suffix == ".txt":
                yield from text_rows(stream, self.name, self.subjects[0])
            elif self.suffix == ".jsonl":
                yield from json_rows(stream, self.name, self.column, self.subjects[0])
            else:
                yield from csv_rows(stream, self.name, self.column, self.subjects)


def spooled(stream: BinaryIO) -> BinaryIO:
    """A file without a name that holds what can be read once; the system removes it when the program ends."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the rows may be read)
    shutil.copyfileobj(stream, file)
    file.flush()
    return file


class FromStart(io.RawIOBase):
    """An open file from its beginning, with a position of its own, so that two readings do not disturb each other."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        data = os.pread(self.descriptor, len(view), self.position)
        view[: len(data)] = data
        self.position += len(data)
        return len(data)


def text_rows(stream: BinaryIO, name: str, subject: str) -> Iterator[Row | BadRow]:
    """One prompt, or what else a row is about, a line."""
    for row in line_rows(stream, name):
        yield row if isinstance(row, BadRow) else replace(row, fields={subject: row.fields[LINE]})


def line_rows(stream: BinaryIO, name: str) -> Iterator[Row | BadRow]:
    """The lines of a text; empty ones are skipped."""
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
            yield Row({LINE: text.removesuffix("\n").removesuffix("\r")}, place)


def end_line(stream: BinaryIO, line: bytes) -> None:
    """Skip what is left of a line that is too long."""
    while line and not line.endswith(b"\n"):
        line = stream.readline(MAX_ROW)


def too_long() -> InputError:
    """The error for a row past the limit."""
    return InputError(f"longer than {MAX_ROW} bytes")


def not_utf8() -> InputError:
    """The error for a row in another encoding."""
    return InputError("not UTF-8", hint="save the file as UTF-8: iconv -f latin1 -t utf-8 FILE")


def json_rows(stream: BinaryIO, name: str, column: str | None, subject: str) -> Iterator[Row | BadRow]:
    """One JSON object a line; `column` names the field that holds the subject where the others are data."""
    for row in line_rows(stream, name):
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            fields = json.loads(row.fields[LINE])
        except (ValueError, RecursionError) as error:
            yield row.bad(InputError(f"not JSON: {error}"))
            continue
        if not isinstance(fields, dict):
            hint = 'a row looks like {"prompt": "a red circle", "seed": 1}'
            yield row.bad(InputError("not a JSON object", hint=hint))
            continue
        object_row = Row(fields, row.place, tuple(fields), tuple(fields.values()))
        if column is None:
            yield object_row
        elif column in fields:
            yield replace(object_row, fields={subject: fields[column]})
        else:
            yield object_row.bad(lacks_field(column, object_row))


def lacks_field(name: str, row: Row) -> InputError:
    """The error for a row without a field that it needs."""
    return InputError(f"no field {name!r}", hint=f"it has: {', '.join(row.columns or row.fields) or 'nothing'}")


def csv_rows(stream: BinaryIO, name: str, column: str | None, subjects: Sequence[str]) -> Iterator[Row | BadRow]:
    """A table with a column for a subject, whose empty cells override nothing; or with the one that `column` names.

    Raises InputError where the table has no such column.
    """
    csv.field_size_limit(MAX_ROW)
    lines = TableLines(stream)
    reader = csv.reader(lines, strict=True)
    columns: tuple[str, ...] | None = None
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, InputError) as error:
            broken = error if isinstance(error, InputError) else InputError(f"broken CSV: {error}")
            yield Row({}, f"{name}:{lines.number}", columns or ()).bad(broken)
            continue
        if not cells:
            continue
        if columns is None:
            columns = tuple(cells)
            check_columns((column,) if column else subjects, columns, name)
        else:
            yield table_row(cells, columns, f"{name}:{lines.number}", column, subjects)


def table_row(
    cells: list[str], columns: tuple[str, ...], place: str, column: str | None, subjects: Sequence[str]
) -> Row | BadRow:
    """One row of a table."""
    fields = dict(zip(columns, cells, strict=False))
    if column is not None:
        own = {subjects[0]: fields.get(column, "")}
    else:
        own = {name: cell for name, cell in fields.items() if cell != "" or name in subjects}
    row = Row(own, place, columns, tuple(cells))
    if len(cells) != len(columns):
        return row.bad(InputError(f"{len(columns)} columns are named and this row has another number"))
    if sum(map(len, cells)) > MAX_ROW:
        return row.bad(too_long())
    if not all(cell.isascii() or is_utf8(cell) for cell in cells):
        return row.bad(not_utf8())
    return row


def is_utf8(cell: str) -> bool:
    """Whether a cell held UTF-8 when it was read; what was not stands in it as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in cell)


def check_columns(wanted: Sequence[str], columns: Sequence[str], name: str) -> None:
    """Raise InputError where the table has none of the wanted columns, naming those that it has."""
    if not set(wanted) & set(columns):
        hint = f"its columns: {', '.join(columns)}; --column NAME names the one that holds the {PROMPT}"
        raise InputError(f"{name} has no column {wanted[0]!r}", hint=hint)


class TableLines:
    """The lines of a table as text, counted; goes on after a line that is too long, for which it raises InputError."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.stream.readline(MAX_ROW + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > MAX_ROW:
            end_line(self.stream, line)
            raise too_long()
        # Bytes that are not UTF-8 are kept as lone surrogates: the row is read to its end, and then found to be bad.
        return line.decode("utf-8-sig" if self.number == 1 else "utf-8", errors="surrogateescape")
