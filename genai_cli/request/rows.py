"""Prompts from the command line, from standard input and from files become rows, read as a stream."""

import errno
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from genai_cli.errors import InputError
from genai_cli.request.encoding import check_encoding, decode_stream
from genai_cli.request.input import STDIN
from genai_cli.request.lines import MAX_ROW, BadRow, Row, Rows, is_utf8, not_utf8, read_lines
from genai_cli.request.request import PROMPT
from genai_cli.request.source import Source, select_source
from genai_cli.request.tables import TAB, csv_rows, read_delimiter
from genai_cli.types import JsonObject

__all__ = ["BadRow", "FileRows", "Reading", "Row", "Rows", "is_utf8", "lacks_field", "read_rows", "read_text"]

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FILE_TYPES = (".txt", ".jsonl", ".ndjson", ".csv", ".tsv")
JSON_LINES = (".jsonl", ".ndjson")
BOOK_TYPES = (".txt", ".md", ".markdown")


@dataclass(frozen=True)
class Reading:
    """How a file of rows is read: its encoding, what is between the cells of a table, and which of them are the prompt.

    None: the file tells itself. With `chapters` it is a book, and each chapter is a row.
    """

    encoding: str | None = None
    delimiter: str | None = None
    source: Source | None = None
    chapters: bool = False

    @classmethod
    def check(
        cls,
        encoding: str | None = None,
        delimiter: str | None = None,
        column: str | None = None,
        template: str | None = None,
        chapters: bool = False,
    ) -> "Reading":
        """What a user asks for. Raises InputError."""
        check_encoding(encoding)
        return cls(encoding, read_delimiter(delimiter), select_source(column, template), chapters)

    @property
    def table_option(self) -> str | None:
        """An option that only a table can follow, or None."""
        return self.source.option if self.source else "--delimiter" if self.delimiter is not None else None


AS_IT_IS = Reading()
STDIN_NAME = "standard input"
UNREADABLE = (errno.EBADF, errno.EISDIR)  # such as 0>file


def read_rows(
    prompts: Sequence[str],
    file: str | None,
    stdin: BinaryIO,
    subjects: Sequence[str] = (PROMPT,),
    are_files: bool = False,
    reading: Reading = AS_IT_IS,
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
        return FileRows(file, stdin, subjects, reading)
    if reading.chapters:
        raise InputError("--chapters is about a book in a file", hint="--prompts book.txt; --prompts - reads a pipe")
    if reading.table_option:
        hint = "--prompts FILE gives one: .csv, .tsv or .jsonl"
        raise InputError(f"{reading.table_option} is about the columns of a table, and none was given", hint=hint)
    rows: list[Row | BadRow] = []
    for prompt in prompts:
        if prompt == STDIN and not are_files:
            rows += text_rows(decode_stream(stdin, reading.encoding, STDIN_NAME), STDIN_NAME, subjects[0])
        else:
            rows.append(Row({subjects[0]: prompt}))
    if not rows:
        if STDIN in prompts:
            raise InputError(f"standard input holds no {subjects[0]}s")
        how = "one in quotes" if subjects[0] == PROMPT else "the path of a file"
        raise InputError(f"no {subjects[0]} given", hint=f"give {how}, - for standard input, or --prompts FILE")
    return rows


def read_pairs(
    files: Sequence[str],
    prompt: str | None,
    rows_file: str | None,
    stdin: BinaryIO,
    subjects: tuple[str, str],
    others: Sequence[str] = (),
    reading: Reading = AS_IT_IS,
) -> Rows:
    """The rows of files with one prompt, or of a file of rows that has what is not given: prompts, files or both.

    `subjects` are the fields of the files and of the prompt, `others` those of further files. Raises InputError where a
    subject is missing.
    """
    own, last = subjects
    if files.count(STDIN) > 1 or (STDIN in files and rows_file == STDIN):
        raise InputError("standard input can be read once: give - once")
    if rows_file is None:
        if not files and prompt is not None:
            raise InputError(f"no {own} given", hint=f'{own.upper()} "{prompt}"')
        rows = read_rows(files, None, stdin, [own], are_files=True, reading=reading)
        if prompt is None:
            raise InputError(f"no {last} given", hint=f"it is the last argument, in quotes; or --{last}s FILE")
        return list(cross_rows(rows, [{last: prompt}]))
    if files and prompt is not None:
        raise InputError(f"give a {last} or --{last}s FILE, not both")
    given = [{own: str(Path(file).expanduser().absolute()) if file != STDIN else file} for file in files]
    if prompt is not None:
        return CrossedRows(rows_file, stdin, (own, *others), reading, [{last: prompt}])
    return CrossedRows(rows_file, stdin, (last, own, *others), reading, given)


class FileRows:
    """The rows of a text, of JSON lines or of a table, in a file or standard input (`-`), read again at each iteration.

    What has no type in its name is JSON lines where it begins with {, else a prompt a line, or a table where its
    columns are spoken of.
    """

    def __init__(
        self,
        file: str,
        stdin: BinaryIO,
        subjects: Sequence[str] = (PROMPT,),
        reading: Reading = AS_IT_IS,
    ) -> None:
        self.path = Path(file).expanduser()
        self.folder = Path() if file == STDIN else self.path.parent
        """What the paths of input files in the rows are relative to."""
        self.subjects = subjects
        self.name = STDIN_NAME if file == STDIN else str(self.path)
        self.reading = reading
        self.spool: BinaryIO | None = None
        suffix = self.path.suffix.lower()
        types, what = (BOOK_TYPES, "a book") if reading.chapters else (FILE_TYPES, "prompts")
        if suffix not in (*types, ""):
            raise InputError(f"cannot read {what} from {suffix} ({file})", hint=f"one of {', '.join(types)}")
        if file == STDIN:
            self.spool = spooled(stdin)
        else:
            with self.open() as stream:
                if not self.path.is_file():  # a pipe, which can be read once
                    self.spool = spooled(stream)
        self.suffix = ".txt" if reading.chapters else suffix or self.type_of_content()
        if reading.table_option and self.suffix == ".txt":
            what = f"{reading.table_option} is about the columns of a table, and {self.name} is none"
            raise InputError(what, hint=".csv, .tsv or .jsonl")
        if reading.delimiter is not None and self.suffix in JSON_LINES:
            raise InputError(f"--delimiter is about a table with lines of cells, and {self.name} is none", hint=".csv")

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
        with self.open() as file:
            stream = self.decode(file)
            first = next((line.strip() for line in iter(lambda: stream.readline(MAX_ROW), b"") if line.strip()), b"")
        if first.removeprefix(b"\xef\xbb\xbf").startswith(b"{"):
            return ".jsonl"
        return ".csv" if self.reading.table_option else ".txt"

    def decode(self, file: BinaryIO) -> BinaryIO:
        """The file as UTF-8. Raises InputError."""
        return decode_stream(file, self.reading.encoding, self.name)

    def __iter__(self) -> Iterator[Row | BadRow]:
        with self.open() as file:
            stream = self.decode(file)
            if self.reading.chapters:
                from genai_cli.request.chapters import chapter_rows  # its patterns take a start some milliseconds

                yield from chapter_rows(stream, self.name, self.path.stem, self.subjects[0])
            elif self.suffix == ".txt":
                yield from text_rows(stream, self.name, self.subjects[0])
            elif self.suffix in JSON_LINES:
                yield from json_rows(stream, self.name, self.reading.source, self.subjects)
            else:
                delimiter = self.reading.delimiter or (TAB if self.suffix == ".tsv" else None)
                yield from csv_rows(stream, self.name, self.reading.source, self.subjects, delimiter)


class CrossedRows(FileRows):
    """The rows of a file, each with what is given beside it: once for each of several."""

    def __init__(
        self,
        file: str,
        stdin: BinaryIO,
        subjects: Sequence[str],
        reading: Reading,
        given: Sequence[JsonObject],
    ) -> None:
        super().__init__(file, stdin, subjects, reading)
        self.given = given

    def __iter__(self) -> Iterator[Row | BadRow]:
        return cross_rows(super().__iter__(), self.given)


def cross_rows(rows: Rows, given: Sequence[JsonObject]) -> Iterator[Row | BadRow]:
    """Each row with what is given beside it, once for each of several; it may not name that itself."""
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        for fields in given or [{}]:
            clashing = next((name for name in fields if name in row.fields), None)
            if clashing is None:
                yield replace(row, fields={**row.fields, **fields})
            else:
                what = f"the row names a {clashing}, and so does the command"
                yield row.bad(InputError(what, hint="leave one of them out"))


def spooled(stream: BinaryIO) -> BinaryIO:
    """A file without a name that holds what can be read once; the system removes it when the program ends."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the rows may be read)
    try:
        shutil.copyfileobj(stream, file)
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
        raise InputError(f"{STDIN_NAME} cannot be read: {error.strerror}") from None
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
    for line in read_lines(stream, name):
        yield line if isinstance(line, BadRow) else Row({subject: line[0]}, line[1])


def json_rows(stream: BinaryIO, name: str, source: Source | None, subjects: Sequence[str]) -> Iterator[Row | BadRow]:
    """One JSON object a line; where a `source` names the fields that make the first subject, the others are data."""
    for line in read_lines(stream, name):
        if isinstance(line, BadRow):
            yield line
            continue
        text, place = line
        row = Row({}, place)
        try:
            fields = json.loads(text, object_pairs_hook=read_object)
        except InputError as error:
            yield row.bad(error)
            continue
        except (ValueError, RecursionError) as error:
            yield row.bad(InputError(f"not JSON: {error}"))
            continue
        if not isinstance(fields, dict):
            hint = 'a row looks like {"prompt": "a red circle", "seed": 1}'
            yield row.bad(InputError("not a JSON object", hint=hint))
            continue
        object_row = Row(fields, place, tuple(fields), tuple(fields.values()))
        missing = next((column for column in source.columns if column not in fields), None) if source else None
        if source is None:
            yield object_row
        elif missing is None:
            others = {name: fields[name] for name in subjects[1:] if name in fields}
            yield replace(object_row, fields={**others, subjects[0]: source.fill(fields)})
        else:
            yield object_row.bad(lacks_field(missing, object_row))


def read_object(pairs: list[tuple[str, object]]) -> JsonObject:
    """A JSON object. Raises InputError where a name stands twice: Python would take the last one in silence."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two fields are named {twice!r}", hint="leave one of them out")
    return found


def read_text(stream: BinaryIO, encoding: str | None) -> str:
    """The whole text of standard input, to come after a prompt. Raises InputError."""
    data = decode_stream(stream, encoding, STDIN_NAME).read(MAX_ROW + 1)
    if len(data) > MAX_ROW:
        raise InputError(f"{STDIN_NAME} is longer than {MAX_ROW} bytes", hint="a prompt takes no more")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        error = not_utf8()
        raise InputError(f"{STDIN_NAME} is {error.message}", hint=error.hint) from None


def lacks_field(name: str, row: Row) -> InputError:
    """The error for a row without a field that it needs."""
    return InputError(f"no field {name!r}", hint=f"it has: {', '.join(row.columns or row.fields) or 'nothing'}")
