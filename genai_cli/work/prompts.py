"""Prompts from the command line, from standard input and from files become rows."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from genai_cli.errors import GenaiError, InputError

FILE_TYPES = (".txt", ".jsonl", ".csv")


@dataclass(frozen=True)
class Row:
    """One prompt with the options that its row overrides, and where it stands (None: the command line)."""

    fields: dict[str, Any]
    place: str | None = None

    def located(self, error: GenaiError) -> GenaiError:
        """The error with the row's place in front."""
        return type(error)(f"{self.place}: {error.message}", error.hint) if self.place else error


def read_rows(prompts: Sequence[str], file: str | None, stdin: BinaryIO) -> list[Row]:
    """The rows of the prompts given (`-` is standard input, one a line) and of the prompts file.

    Raises InputError naming file and line.
    """
    if prompts.count("-") > 1:
        raise InputError("standard input can be read once: give - once")
    rows: list[Row] = []
    for prompt in prompts:
        rows += read_lines(stdin.read(), "standard input") if prompt == "-" else [Row({"prompt": prompt})]
    if file is not None:
        rows += read_file(Path(file).expanduser())
    if not rows:
        raise InputError("no prompt given", hint="give one in quotes, - for standard input, or --prompts FILE")
    return rows


def read_file(path: Path) -> list[Row]:
    """The rows of a .txt, .jsonl or .csv file; a name without a type is read as .txt. Raises InputError."""
    suffix = path.suffix.lower()
    if suffix not in (*FILE_TYPES, ""):
        raise InputError(f"cannot read prompts from {suffix} ({path})", hint=f"one of {', '.join(FILE_TYPES)}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the prompts file {path}: {error.strerror}") from None
    reader = {".jsonl": read_json_lines, ".csv": read_csv}.get(suffix, read_lines)
    rows = reader(data, str(path))
    if not rows:
        raise InputError(f"{path} holds no prompts")
    return rows


def read_lines(data: bytes, name: str) -> list[Row]:
    """One prompt a line; empty lines are passed over."""
    lines = [line.removesuffix("\n").removesuffix("\r") for line in decode(data, name).split("\n")]
    rows = [Row({"prompt": line}, f"{name}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise InputError(f"{name} holds no prompts")
    return rows


def read_json_lines(data: bytes, name: str) -> list[Row]:
    """One JSON object a line, with a field `prompt`."""
    rows = []
    for row in read_lines(data, name):
        try:
            fields = json.loads(row.fields["prompt"])
        except ValueError as error:
            raise InputError(f"{row.place}: not JSON: {error}") from None
        if not isinstance(fields, dict):
            raise InputError(
                f"{row.place}: not a JSON object", hint='a row looks like {"prompt": "a red circle", "seed": 1}'
            )
        rows.append(checked(fields, str(row.place)))
    return rows


def read_csv(data: bytes, name: str) -> list[Row]:
    """A table with a column `prompt`; an empty cell overrides nothing."""
    return list(iterate_csv(decode(data, name), name))


def iterate_csv(text: str, name: str) -> Iterator[Row]:
    """The table's rows. Raises InputError for a row that does not fit the header."""
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    try:
        for fields in reader:
            place = f"{name}:{reader.line_num}"
            if None in fields or None in fields.values():
                raise InputError(
                    f"{place}: {len(reader.fieldnames or [])} columns are named and this row has another number"
                )
            given = {column: cell for column, cell in fields.items() if cell != "" or column == "prompt"}
            yield checked(given, place)
    except csv.Error as error:
        raise InputError(f"{name}:{reader.line_num}: broken CSV: {error}") from None


def checked(fields: dict[str, Any], place: str) -> Row:
    """The row, if it has a prompt that is text."""
    if "prompt" not in fields:
        raise InputError(f"{place}: no field 'prompt'", hint=f"it has: {', '.join(map(str, fields)) or 'nothing'}")
    if not isinstance(fields["prompt"], str):
        raise InputError(f"{place}: the prompt must be text, not {fields['prompt']!r}")
    return Row(fields, place)


def decode(data: bytes, name: str) -> str:
    """The bytes as UTF-8, without a byte order mark. Raises InputError naming the line that is not."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{name}:{line}: not UTF-8", hint="save it as UTF-8: iconv -f latin1 -t utf-8 FILE") from None
