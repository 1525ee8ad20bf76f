"""Prompts from the command line, from standard input and from files become rows, read as a stream."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from genai_cli.errors import GenaiError, InputError

FILE_TYPES = (".txt", ".jsonl", ".csv")
MAX_ROW = 1_000_000  # bytes


@dataclass(frozen=True)
class Row:
    """One prompt with the options that its row overrides, and where it stands (None: the command line)."""

    fields: dict[str, Any]
    place: str | None = None

    def bad(self, error: GenaiError) -> "BadRow":
        """The row as one that cannot be used."""
        return BadRow(InputError(f"{self.place}: {error.message}" if self.place else error.message, error.hint))


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used; its error names file and line."""

    error: InputError


Rows = Iterable[Row | BadRow]


def read_rows(prompts: Sequence[str], file: str | None, stdin: BinaryIO) -> Rows:
    """The rows of the prompts given (`-` is standard input, one a line) or of the prompts file; can be iterated again.

    Raises InputError where there is none, or the file cannot be read.
    """
    if prompts.count("-") > 1:
        raise InputError("standard input can be read once: give - once")
    if file is not None and prompts:
        raise InputError("give prompts or --prompts FILE, not both")
    if file is not None:
        return FileRows(Path(file).expanduser())
    rows: list[Row | BadRow] = []
    for prompt in prompts:
        rows += line_rows(stdin, "standard input") if prompt == "-" else [Row({"prompt": prompt})]
    if not rows:
        if "-" in prompts:
            raise InputError("standard input holds no prompts")
        raise InputError("no prompt given", hint="give one in quotes, - for standard input, or --prompts FILE")
    return rows


class FileRows:
    """The rows of a .txt, .jsonl or .csv file (a name without a type is read as .txt), read anew at each iteration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.suffix = path.suffix.lower()
        if self.suffix not in (*FILE_TYPES, ""):
            raise InputError(f"cannot read prompts from {self.suffix} ({path})", hint=f"one of {', '.join(FILE_TYPES)}")
        with self.open():
            pass

    def open(self) -> BinaryIO:
        """The file. Raises InputError where it cannot be read."""
        try:
            return self.path.open("rb")
        except OSError as error:
            raise InputError(f"cannot read the prompts file {self.path}: {error.strerror}") from None

    def __iter__(self) -> Iterator[Row | BadRow]:
        reader = {".jsonl": json_rows, ".csv": csv_rows}.get(self.suffix, line_rows)
        with self.open() as stream:
            yield from reader(stream, str(self.path))


def line_rows(stream: BinaryIO, name: str) -> Iterator[Row | BadRow]:
    """One prompt a line; empty lines are passed over."""
    number = 0
    while line := stream.readline(MAX_ROW + 1):
        number += 1
        place = f"{name}:{number}"
        if len(line) > MAX_ROW:
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_ROW)
            yield BadRow(InputError(f"{place}: longer than {MAX_ROW} bytes"))
            continue
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            hint = "save the file as UTF-8: iconv -f latin1 -t utf-8 FILE"
            yield BadRow(InputError(f"{place}: not UTF-8", hint=hint))
            continue
        if text.strip():
            yield Row({"prompt": text.removesuffix("\n").removesuffix("\r")}, place)


def json_rows(stream: BinaryIO, name: str) -> Iterator[Row | BadRow]:
    """One JSON object a line, with a field `prompt`."""
    for row in line_rows(stream, name):
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            fields = json.loads(row.fields["prompt"])
        except (ValueError, RecursionError) as error:
            yield row.bad(InputError(f"not JSON: {error}"))
            continue
        if isinstance(fields, dict):
            yield checked(Row(fields, row.place))
        else:
            hint = 'a row looks like {"prompt": "a red circle", "seed": 1}'
            yield row.bad(InputError("not a JSON object", hint=hint))


def csv_rows(stream: BinaryIO, name: str) -> Iterator[Row | BadRow]:
    """A table with a column `prompt`; an empty cell overrides nothing."""
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    csv.field_size_limit(MAX_ROW)
    reader = csv.DictReader(text, strict=True)
    try:
        for fields in reader:
            row = Row({key: cell for key, cell in fields.items() if cell != "" or key == "prompt"})
            row = Row(row.fields, f"{name}:{reader.line_num}")
            if None in fields or None in fields.values():
                columns = len(reader.fieldnames or [])
                yield row.bad(InputError(f"{columns} columns are named and this row has another number"))
            else:
                yield checked(row)
    except csv.Error as error:
        yield BadRow(InputError(f"{name}:{reader.line_num}: broken CSV: {error}"))
    except UnicodeDecodeError:
        yield BadRow(InputError(f"{name}:{reader.line_num + 1}: not UTF-8 there or soon after"))
    finally:
        text.detach()


def checked(row: Row) -> Row | BadRow:
    """The row, if it has a prompt that is text."""
    if "prompt" not in row.fields:
        return row.bad(InputError("no field 'prompt'", hint=f"it has: {', '.join(row.fields) or 'nothing'}"))
    if not isinstance(row.fields["prompt"], str):
        return row.bad(InputError(f"the prompt must be text, not {row.fields['prompt']!r}"))
    return row
