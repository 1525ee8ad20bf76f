"""Takes the jobs of one command to finished results: groups them by model, produces, writes, and counts."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genai_cli.errors import GenaiError
from genai_cli.events import Emit
from genai_cli.model.device import check_names
from genai_cli.model.hub import resolve
from genai_cli.model.names import ModelReference, parse_name
from genai_cli.output.names import slugify
from genai_cli.output.record import Record, to_json
from genai_cli.output.writer import Writer
from genai_cli.work.job import Job, Order, expand


@dataclass(frozen=True)
class RunSettings:
    """How a command's jobs are run: nothing here shapes what a result shows."""

    task: str
    suffix: str
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
        """The record as `--json` shows it."""
        ends: dict[str, Any] = {"id": self.job.id, "key": self.job.key, "file": None, "status": self.status}
        if self.file is not None:
            ends["file"] = str(self.file)
        if self.error is not None:
            request = self.job.request
            return {"task": request.task, "prompt": request.prompt, **ends, "error": self.error.message}
        return {**self.record, **ends}


def references_of(orders: Sequence[Order]) -> dict[str, ModelReference]:
    """What each model's name stands for, without asking the hub. Raises ModelError for a name that is none."""
    names = dict.fromkeys((order.request.model, order.request.task) for order in orders)
    return {name: parse_name(name, task) for name, task in names}


def plan_jobs(orders: Sequence[Order], references: Mapping[str, ModelReference]) -> list[Job]:
    """The jobs of the orders, with one base seed drawn for those that give none."""
    return list(expand(orders, references, secrets.randbits(32)))


def run(orders: Sequence[Order], settings: RunSettings, writer: Writer | None, emit: Emit) -> Iterator[Finished]:
    """Make everything that the orders ask for; each result is at its final name when it is yielded.

    Raises the GenaiError of a model that is not to be had, and OutputError where writing fails.
    """
    from genai_cli.work.producer import Failure, Producer, Setup

    references = {name: resolve(named, settings.offline, emit) for name, named in references_of(orders).items()}
    groups: dict[tuple[str, frozenset[str]], list[Job]] = {}
    for job in plan_jobs(orders, references):
        groups.setdefault((job.request.model, job.request.unused_components()), []).append(job)
    for (model, unused), jobs in groups.items():
        setup = Setup(
            settings.task,
            references[model],
            settings.suffix,
            settings.device,
            settings.dtype,
            settings.variant,
            unused,
            settings.offline,
            settings.metadata,
        )
        for outcome in Producer(setup, emit).produce(jobs):
            if isinstance(outcome, Failure):
                yield Finished(outcome.job, outcome.status, error=outcome.error)
                continue
            beside = to_json(outcome.beside).encode() + b"\n" if outcome.beside is not None else None
            file = writer.write(outcome.data, name_fields(outcome.job), beside) if writer else None
            yield Finished(outcome.job, "done", outcome.record, outcome.data, file)


def name_fields(job: Job) -> dict[str, str | int]:
    """The fields of a file name's template."""
    return {
        "slug": slugify(job.request.prompt),
        "seed": job.request.seed or 0,
        "index": job.index,
        "key": job.key,
        "id": job.id,
    }
