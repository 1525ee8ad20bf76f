"""Takes orders to finished results: todo = jobs - done, grouped by model, produced, written, counted."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from genai_cli.errors import GenaiError
from genai_cli.events import Emit
from genai_cli.modality.request import Group
from genai_cli.model.device import check_names
from genai_cli.model.hub import resolve
from genai_cli.model.names import ModelReference, parse_name
from genai_cli.output.names import slugify
from genai_cli.output.record import Record, to_json
from genai_cli.output.writer import NewFile, Writer
from genai_cli.work.job import Job, Order, expand
from genai_cli.work.orders import KINDS
from genai_cli.work.producer import Failure, Outcome, Producer, Setup
from genai_cli.work.report import Report

References = Mapping[tuple[str, str], ModelReference]


@dataclass(frozen=True)
class RunSettings:
    """How jobs are run; nothing here shapes what a result shows. `suffix` None is each task's own file type."""

    suffix: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    variant: str = "auto"
    offline: bool = False
    metadata: bool = True

    def __post_init__(self) -> None:
        check_names(self.device, self.dtype)


@dataclass(frozen=True)
class Finished:
    """One job's end: a record and the bytes with the file that holds them (None: not written), or an error."""

    job: Job
    status: str
    record: Record = field(default_factory=dict)
    data: bytes = b""
    file: Path | None = None
    error: GenaiError | None = None

    def line(self) -> dict[str, Any]:
        """The record as `--json` and the manifest show it."""
        file = None if self.file is None else str(self.file)
        ends = {"id": self.job.id, "key": self.job.key, "file": file, "status": self.status}
        if self.error is not None:
            request = self.job.request
            return {"task": request.task, "prompt": request.prompt, **ends, "error": self.error.message}
        return {**self.record, **ends}


class Todo:
    """Which jobs to take up: those of the shard that are not finished, or that failed and are to be tried again."""

    def __init__(self, writer: Writer | None, retry_failed: bool, report: Report) -> None:
        self.writer = writer
        self.retry_failed = retry_failed
        self.report = report
        self.references: References = {}
        """What the models' names stand for in this run."""

    def takes(self, job: Job) -> bool:
        """Whether the job is to be made now; what is not is counted in the report."""
        if self.writer is None:
            return True
        if self.writer.shard and not self.writer.shard.has(job.key):
            self.report.elsewhere += 1
            return False
        status = self.writer.is_finished(job.key)
        if status == "done":
            self.report.done_earlier += 1
            return False
        if status is not None and not self.retry_failed:
            self.report.failed_earlier += 1
            return False
        return True


def references_of(groups: Iterable[Group]) -> References:
    """What each task's models stand for, without asking the hub. Raises ModelError for a name that is none."""
    return {(task, model): parse_name(model, task) for task, model, _ in groups}


def jobs_of(orders: Iterable[Order], references: References, writer: Writer | None) -> Iterator[Job]:
    """The jobs of the orders, in their order; without a folder of their own, their base seed is drawn for this run."""
    return expand(orders, references, writer.base_seed if writer else secrets.randbits(32))


def run(
    orders: Iterable[Order], groups: Iterable[Group], settings: RunSettings, todo: Todo, emit: Emit
) -> Iterator[Finished]:
    """Make what the orders ask for, model by model; each result is at its final name when it is yielded.

    `groups` are those of the orders, which are iterated once for each. Raises OutputError where writing fails, and the
    GenaiError of a model that is not to be had.
    """
    named = references_of(groups)
    references = {pair: resolve(reference, settings.offline, emit) for pair, reference in named.items()}
    todo.references = references
    for group in groups:
        jobs = (job for job in jobs_of(orders, references, todo.writer) if job.request.group == group)
        setup = setup_of(group, references, settings)
        for outcome in Producer(setup, emit).produce(job for job in jobs if todo.takes(job)):
            yield finish(outcome, setup.suffix, todo.writer)


def setup_of(group: Group, references: References, settings: RunSettings) -> Setup:
    """What a producer needs for the jobs of a group."""
    task, model, unused = group
    return Setup(
        task,
        references[task, model],
        settings.suffix or KINDS[task].suffixes[0],
        settings.device,
        settings.dtype,
        settings.variant,
        unused,
        settings.offline,
        settings.metadata,
    )


def finish(outcome: Outcome, suffix: str, writer: Writer | None) -> Finished:
    """Write an artifact, or note a failure. Raises OutputError."""
    if isinstance(outcome, Failure):
        failed = Finished(outcome.job, outcome.status, error=outcome.error)
        if writer:
            writer.note(failed.line())
        return failed
    done = Finished(outcome.job, "done", outcome.record, outcome.data)
    if writer is None:
        return done
    beside = to_json(outcome.beside).encode() + b"\n" if outcome.beside is not None else None
    file = writer.write(
        NewFile(outcome.data, outcome.job.suffix or suffix, name_fields(outcome.job), beside, done.line())
    )
    return replace(done, file=file)


def name_fields(job: Job) -> dict[str, str | int]:
    """The fields of a file name's template."""
    return {
        "slug": slugify(job.request.prompt),
        "seed": job.request.seed or 0,
        "index": job.index,
        "key": job.key,
        "id": job.id,
    }
