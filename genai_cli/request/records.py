"""What `--json` wrote as the rows of the next command: a result's file is its input, its text is its prompt."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import BinaryIO

from genai_cli.errors import InputError
from genai_cli.request.input import STDIN
from genai_cli.request.request import Request, list_inputs
from genai_cli.request.rows import BadRow, FileRows, Row, cross_rows
from genai_cli.types import JsonObject

BEGIN = b'{"genai":'  # a record as genai writes it
ENDS = ("status", "key")


def begins_with_record(stream: BinaryIO) -> bool:
    """Whether the first bytes of a stream are those of a record; they are read again."""
    peek = getattr(stream, "peek", None)
    if peek is not None:
        try:
            return bool(peek(len(BEGIN))[: len(BEGIN)] == BEGIN)
        except OSError:  # whoever reads the rows says so
            return False
    place = stream.tell()
    head = stream.read(len(BEGIN))
    stream.seek(place)
    return head == BEGIN


class RecordRows(FileRows):
    """The rows that piped records are for the next task, each with what is given beside it."""

    def __init__(self, stdin: BinaryIO, request_class: type[Request], given: Sequence[JsonObject] = ()) -> None:
        super().__init__(STDIN, stdin)
        self.request_class = request_class
        self.given = given

    def __iter__(self) -> Iterator[Row | BadRow]:
        return cross_rows(map(self.convert, super().__iter__()), self.given)

    def convert(self, row: Row | BadRow) -> Row | BadRow:
        """A record's row for the task; what is not a record stays as it is."""
        if isinstance(row, BadRow) or not is_record(row.fields):
            return row
        try:
            return replace(row, fields=read_record_row(row.fields, self.request_class))
        except InputError as error:
            return row.bad(error)


def is_record(fields: Mapping[str, object]) -> bool:
    """Whether a row is a line that `--json` wrote, of a failed item too."""
    return all(name in fields for name in ENDS) and ("genai" in fields or "error" in fields) and "task" in fields


def read_record_row(fields: JsonObject, request_class: type[Request]) -> JsonObject:
    """The row that a record is for the next task. Raises InputError where its result is none that the task takes."""
    if fields["status"] != "done":
        raise InputError(f"the row's own result failed: {fields.get('error')}", hint="--skip-bad skips such rows")
    subject = request_class.subject
    if request_class.instead is not None and not isinstance(fields.get("text"), str) and fields.get("file"):
        subject = request_class.instead
    takes_file = subject in list_inputs(request_class)
    value = fields.get("file" if takes_file else "text")
    if not isinstance(value, str) or not value:
        what = "file" if takes_file else "text"
        made = f"the result of genai {fields['task']}"
        raise InputError(f"{made} has no {what}, and genai {request_class.task} takes one as its {subject}")
    named = fields.get("id")
    return {subject: value, **({"id": named} if named != fields["key"] else {})}
