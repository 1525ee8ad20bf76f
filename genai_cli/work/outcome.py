"""What becomes of a job: an artifact to keep, or a failure."""

import traceback
from dataclasses import dataclass

from genai_cli.content.record import Record
from genai_cli.errors import GenaiError
from genai_cli.work.job import Job


@dataclass(frozen=True)
class Artifact:
    """A finished result: its record, the file's bytes, and the record to stand beside a file that cannot carry it.

    `others` are further files of the same result: the type of each, its bytes, and the record to stand beside it.
    """

    job: Job
    record: Record
    data: bytes
    beside: Record | None
    suffix: str
    others: tuple[tuple[str, bytes, Record | None], ...] = ()


@dataclass(frozen=True)
class Failure:
    """A job that gave nothing to keep; `status` is `failed` or `filtered`."""

    job: Job
    error: GenaiError
    status: str = "failed"


Outcome = Artifact | Failure


def note_cause(error: GenaiError) -> None:
    """Attach the traceback as a note, which --debug shows: the cause itself does not travel to another process."""
    if error.__cause__ is not None:
        error.add_note("".join(traceback.format_exception(error.__cause__)))
