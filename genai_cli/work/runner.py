"""Takes orders to finished results: todo = jobs - done, grouped by model, produced, written, counted."""

import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from genai_cli.errors import DeviceError, GenaiError, OutputError
from genai_cli.events import Detail, Emit
from genai_cli.modality.request import Group
from genai_cli.model.device import check_names
from genai_cli.model.hub import resolve
from genai_cli.model.names import ModelReference, parse_name
from genai_cli.output.names import slugify
from genai_cli.output.record import Record, to_json
from genai_cli.output.shield import unbroken
from genai_cli.output.signing import Signer
from genai_cli.output.writer import NewFile, Writer
from genai_cli.work.engine import Engine, open_engine
from genai_cli.work.grouping import LOOKAHEAD, InputOrder
from genai_cli.work.job import Job, Order, expand
from genai_cli.work.orders import KINDS
from genai_cli.work.producer import Failure, Outcome, Setup
from genai_cli.work.report import Report

# By task and the model's name.
References = Mapping[tuple[str, str], ModelReference]
Problems = Mapping[tuple[str, str], GenaiError]


@dataclass(frozen=True)
class RunSettings:
    """How jobs are run; nothing here shapes what a result shows. `suffix` None is each task's own file type."""

    suffix: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    variant: str = "auto"
    offline: bool = False
    metadata: bool = True
    engine: Engine = field(default_factory=Engine)
    signer: Signer | None = None
    licenses: frozenset[str] = frozenset()
    """Those that a model may be under, in lower case; none means any."""
    compile: bool | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        check_names(self.device, self.dtype)
        self.engine.check_device(self.device)


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
    """Which jobs to take up: those of the shard that are not finished, or that failed and are to be tried again.

    With a limit, no more than so many: of the others none is begun, whatever is made at once.
    """

    def __init__(self, writer: Writer | None, retry_failed: bool, report: Report, limit: int | None = None) -> None:
        self.writer = writer
        self.retry_failed = retry_failed
        self.report = report
        self.limit = limit
        self.taken = 0
        self.references: References = {}
        """What the models' names stand for in this run."""

    def takes(self, job: Job) -> bool:
        """Whether the job is to be made now."""
        if self.is_ended(job) or self.taken == self.limit:
            return False
        self.taken += 1
        return True

    def is_ended(self, job: Job) -> bool:
        """Whether the job has its end, or is another shard's, which is counted in the report."""
        if self.writer is None:
            return False
        if self.writer.shard and not self.writer.shard.has(job.key):
            self.report.elsewhere += 1
            return True
        status = self.writer.is_finished(job.key)
        if status == "done":
            self.report.done_earlier += 1
            return True
        if status is not None and not self.retry_failed:
            self.report.failed_earlier += 1
            return True
        return False


def look_up(groups: Iterable[Group], offline: bool, emit: Emit) -> tuple[References, Problems]:
    """What each task's models stand for, pinned, and what is wrong with those that are not to be had."""
    pairs = list(dict.fromkeys((group.task, group.model) for group in groups))
    references: dict[tuple[str, str], ModelReference] = {}
    problems: dict[tuple[str, str], GenaiError] = {}
    for task, model in pairs:
        references[task, model] = ModelReference(model)
        try:
            references[task, model] = parse_name(model, task)
            references[task, model] = resolve(references[task, model], offline, emit)
        except GenaiError as error:
            problems[task, model] = error
    return references, problems


def jobs_of(orders: Iterable[Order], references: References, writer: Writer | None) -> Iterator[Job]:
    """The jobs of the orders, in their order; without a folder of their own, their base seed is drawn for this run."""
    return expand(orders, references, writer.base_seed if writer else secrets.randbits(32))


def run(
    orders: Iterable[Order], groups: Mapping[Group, int], settings: RunSettings, todo: Todo, emit: Emit
) -> Iterator[Finished]:
    """Make what the orders ask for, model by model; each result is at its final name when it is yielded.

    `groups` are those of the orders with the items of each; the orders are iterated once for each. Where one of several
    models is not to be had, its jobs fail and the others' are made. Raises OutputError where writing fails, DeviceError
    where there is no device to work on, and the GenaiError of the only model.
    """
    todo.references, problems = look_up(groups, settings.offline, emit)
    with open_engine(settings.engine, emit) as produce:
        for group, items in groups.items():
            jobs = (job for job in jobs_of(orders, todo.references, todo.writer) if job.request.group == group)
            to_make = (job for job in jobs if todo.takes(job))
            first = list(islice(to_make, LOOKAHEAD))
            stream = Handed(chain(first, to_make))
            order = InputOrder()
            # What was done in earlier runs does not count where it shows: then these are all that is left.
            left = len(first) if len(first) < LOOKAHEAD else items
            setup = setup_of(group, todo.references, settings, left, usual_pace(first))
            try:
                if group[:2] in problems:
                    raise problems[group[:2]]
                outcomes = produce(setup, order.watch(stream))
                # A batch is safest where each result is kept as soon as it is made; who reads them wants their order.
                is_batch = todo.writer is not None and todo.writer.is_batch
                for outcome in outcomes if is_batch else order.restore(outcomes):
                    stream.end(outcome.job)
                    started = time.perf_counter()
                    with unbroken():  # so that who interrupts is told of every item that is written
                        finished = finish(outcome, setup.suffix, settings, todo.writer)
                        todo.report.take(finished.error)
                    if finished.file is not None:
                        emit(Detail(f"written in {time.perf_counter() - started:.2f} s"))
                    yield finished
            except (OutputError, DeviceError):
                raise
            except GenaiError as error:
                if len(todo.references) == 1:
                    raise
                for job in stream.left():
                    failed = finish(Failure(job, error, "failed"), setup.suffix, settings, todo.writer)
                    todo.report.take(failed.error)
                    yield failed


class Handed:
    """Jobs on their way through an engine: those that it took and that have not ended are known."""

    def __init__(self, jobs: Iterator[Job]) -> None:
        self.jobs = jobs
        self.waiting: dict[str, Job] = {}

    def __iter__(self) -> Iterator[Job]:
        for job in self.jobs:
            self.waiting[job.key] = job
            yield job

    def end(self, job: Job) -> None:
        """The job has an outcome."""
        self.waiting.pop(job.key)

    def left(self) -> Iterator[Job]:
        """The jobs without an outcome: those that the engine took, then all others."""
        yield from self.waiting.values()
        yield from self.jobs


def usual_pace(jobs: Iterable[Job]) -> str:
    """The pace of most of the jobs."""
    paces = Counter(job.request.pace() for job in jobs)
    return paces.most_common(1)[0][0] if paces else ""


def setup_of(group: Group, references: References, settings: RunSettings, items: int, pace: str) -> Setup:
    """What a producer needs for the jobs of a group."""
    return Setup(
        task=group.task,
        reference=references[group.task, group.model],
        suffix=settings.suffix or KINDS[group.task].suffixes[0],
        device=settings.device,
        dtype=settings.dtype,
        variant=settings.variant,
        unused=group.unused,
        offline=settings.offline,
        metadata=settings.metadata,
        licenses=settings.licenses,
        quantize=group.quantize,
        compile=settings.compile,
        items=items,
        pace=pace,
        batch_size=settings.batch_size,
    )


def finish(outcome: Outcome, suffix: str, settings: RunSettings, writer: Writer | None) -> Finished:
    """Sign and write an artifact, or note a failure. Raises OutputError."""
    if isinstance(outcome, Failure):
        failed = Finished(outcome.job, outcome.status, error=outcome.error)
        if writer:
            writer.note(failed.line())
        return failed
    data, names, suffix = outcome.data, name_fields(outcome.job), outcome.job.suffix or suffix
    if settings.signer:
        # Here and not where the model runs, which may be another machine: the key stays on this one.
        data = settings.signer.sign(data, suffix, str(names["slug"]) if settings.metadata else outcome.record["task"])
    done = Finished(outcome.job, "done", outcome.record, data)
    if writer is None:
        return done
    beside = to_json(outcome.beside).encode() + b"\n" if outcome.beside is not None else None
    file = writer.write(NewFile(data, suffix, names, beside, done.line()))
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
