"""Tables of rows: CSV and its relatives, whose header names the columns."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from genai_cli.errors import InputError
from genai_cli.request.lines import MAX_ROW, BadRow, Row, end_line, is_utf8, not_utf8, too_long
from genai_cli.request.request import PROMPT
from genai_cli.request.source import Source

COMMA, TAB = ",", "\t"
TOLD = (COMMA, ";", TAB)  # the delimiters that a header can tell
WORDS = {"tab": TAB, "\\t": TAB, "comma": COMMA, "semicolon": ";", "pipe": "|", "space": " "}


def read_delimiter(text: str | None) -> str | None:
    """The character that a user names. Raises InputError."""
    if text is None:
        return None
    delimiter = WORDS.get(text.strip().lower(), text)
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise InputError(f"--delimiter must be one character, or tab, not {text!r}")
    return delimiter


def csv_rows(
    stream: BinaryIO, name: str, source: Source | None, subjects: Sequence[str], delimiter: str | None = None
) -> Iterator[Row | BadRow]:
    """A table with a column for a subject, whose empty cells override nothing; or with those that a `source` names.

    A `source` makes the first of the subjects; the others are taken where there are columns of their names.

    Without a `delimiter` the header tells it. Raises InputError where the table has no such column, or two of a name
    that means something.
    """
    csv.field_size_limit(MAX_ROW)
    wanted = source.columns if source else tuple(subjects)
    lines = TableLines(stream)
    if delimiter is None:
        delimiter = tell_delimiter(lines.peek(), wanted)
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
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
            check_columns(wanted, columns, f"{name}:{lines.number}", name, source)
        else:
            yield table_row(cells, columns, f"{name}:{lines.number}", source, subjects)


def tell_delimiter(header: str, wanted: Sequence[str]) -> str:
    """The delimiter with which the header has a wanted column; a comma where none has."""
    for delimiter in TOLD:
        try:
            columns = next(csv.reader([header], strict=True, delimiter=delimiter), [])
        except csv.Error:  # quotes that another delimiter explains
            continue
        if set(wanted) & set(columns):
            return delimiter
    return COMMA


def table_row(
    cells: list[str], columns: tuple[str, ...], place: str, source: Source | None, subjects: Sequence[str]
) -> Row | BadRow:
    """One row of a table."""
    fields: dict[str, object] = dict(zip(columns, cells, strict=False))
    own = {name: cell for name, cell in fields.items() if cell != "" or name in subjects}
    row = Row(own, place, columns, tuple(cells))
    if len(cells) != len(columns):
        return row.bad(InputError(f"{len(columns)} columns are named and this row has another number"))
    if sum(map(len, cells)) > MAX_ROW:
        return row.bad(too_long())
    if not all(map(is_utf8, cells)):
        return row.bad(not_utf8())
    if source is None:
        return row
    others = {name: fields[name] for name in subjects[1:] if name in fields}
    return replace(row, fields={**others, subjects[0]: source.fill(fields)})


def check_columns(wanted: Sequence[str], columns: Sequence[str], place: str, name: str, source: Source | None) -> None:
    """Raise InputError for a header that is not UTF-8, lacks a column that is needed, or has one of them twice.

    Of a `source` all columns are needed, otherwise one of the wanted. With a source all other columns are data, and two
    of them may share a name: none of them is used.
    """
    if not all(map(is_utf8, columns)):
        error = not_utf8()
        raise InputError(f"{place}: the header is {error.message}", hint=error.hint)
    missing = [column for column in wanted if column not in columns]
    if missing if source else len(missing) == len(wanted):
        named = "" if source else f"; --column NAME names the one that holds the {PROMPT}"
        raise InputError(f"{name} has no column {missing[0]!r}", hint=f"its columns: {', '.join(columns)}{named}")
    used = [column for column in columns if column in wanted or not source]
    twice = next((column for column in used if used.count(column) > 1), None)
    if twice is not None:
        raise InputError(f"{place}: two columns are named {twice!r}", hint="rename one of them")


class TableLines:
    """The lines of a table as text, counted; goes on after a line that is too long, for which it raises InputError."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.number = 0
        self.waiting: list[bytes] = []
        """Lines that were looked at and not read."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.waiting.pop(0) if self.waiting else self.stream.readline(MAX_ROW + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > MAX_ROW:
            end_line(self.stream, line)
            raise too_long()
        return self.decode(line, self.number)

    def decode(self, line: bytes, number: int) -> str:
        """A line as text. What is not UTF-8 stays as lone surrogates: a row is read to its end, and found to be bad."""
        return line.decode("utf-8-sig" if number == 1 else "utf-8", errors="surrogateescape")

    def peek(self) -> str:
        """The first line that is not empty, which is read again."""
        while line := self.stream.readline(MAX_ROW + 1):
            self.waiting.append(line)
            if line.strip():
                return self.decode(line, len(self.waiting))
        return ""
