"""Takes orders to finished results: todo = jobs - done, by loaded model, produced, written, counted."""

import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Literal, cast

from genai_cli.content.record import GENERATED, Record, choose_mark, to_line
from genai_cli.content.signing import Signer
from genai_cli.device.spec import ModelSpec, Placing
from genai_cli.errors import DeviceError, GenaiError, OutputError
from genai_cli.events import Detail, Emit, Stage
from genai_cli.hub.access import Access
from genai_cli.hub.names import parse_name
from genai_cli.hub.reference import ModelReference
from genai_cli.modality.registry import find_modality, load_catalog
from genai_cli.request.adapter import Adapter, Vae
from genai_cli.request.request import ModelNeeds
from genai_cli.signals import hold_signals
from genai_cli.store.names import SEEDED, slugify
from genai_cli.store.writer import NewFile, Writer
from genai_cli.work.assignment import Assignment, Delivery, Hints
from genai_cli.work.batching import LOOKAHEAD, InputSequence
from genai_cli.work.engines.engine import Engine
from genai_cli.work.engines.opening import open_engines
from genai_cli.work.engines.server_key import ServerKey
from genai_cli.work.job import Job, Order, References, expand
from genai_cli.work.orders import Orders
from genai_cli.work.outcome import Failure, Outcome
from genai_cli.work.report import Report

Problems = Mapping[tuple[str, str], GenaiError]
"""What is wrong with models that are not available, by task and name."""


@dataclass(frozen=True)
class RunSettings:
    """How jobs are run; nothing here shapes what a result shows."""

    placing: Placing = field(default_factory=Placing)
    access: Access = field(default_factory=Access)
    delivery: Delivery = field(default_factory=Delivery)
    engine: Engine = field(default_factory=Engine)
    key: ServerKey | None = None
    signer: Signer | None = None
    batch_size: int | None = None
    keep: float = 0
    """For how many seconds a worker process keeps the models; 0: this process loads them."""

    def __post_init__(self) -> None:
        self.engine.check_device(self.placing.device)


@dataclass(frozen=True)
class Finished:
    """One job's end: a record and the bytes with the file that holds them (None: not written), or an error."""

    job: Job
    status: str
    record: Record = field(default_factory=Record)
    data: bytes = b""
    file: Path | None = None
    error: GenaiError | None = None

    def line(self) -> Record:
        """The record as `--json` and the manifest show it."""
        file = None if self.file is None else str(self.file)
        ends = {"id": self.job.id, "key": self.job.key, "file": file, "status": self.status}
        if self.error is not None:
            request = self.job.request
            failed = {"task": request.task, **request.content(), **ends, "error": self.error.message}
            return cast(Record, failed)
        return cast(Record, {**self.record, **ends})


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
        end = self.find_end(job)
        self.report.elsewhere += end == "elsewhere"
        self.report.done_earlier += end == "done"
        self.report.failed_earlier += end == "failed"
        return end is not None

    def find_end(self, job: Job) -> Literal["elsewhere", "done", "failed"] | None:
        """How a job has ended, or that it is another shard's; None if it is to be made, or made again."""
        if self.writer is None:
            return None
        if self.writer.shard and not self.writer.shard.has(job.key):
            return "elsewhere"
        status = self.writer.is_finished(job.key)
        if status == "done":
            return "done"
        return None if status is None or self.retry_failed else "failed"


def look_up(needs: Iterable[ModelNeeds], settings: RunSettings, emit: Emit) -> tuple[References, Problems]:
    """What each task's models stand for, pinned, and what is wrong with those that are not available."""
    references: dict[tuple[str, str], ModelReference] = {}
    problems: dict[tuple[str, str], GenaiError] = {}
    for task, model in dict.fromkeys((need.task, need.model) for need in needs):
        references[task, model] = ModelReference(model)
        emit(Stage(f"loading {model}..."))
        try:
            references[task, model] = parse_name(model, task, load_catalog())
            references[task, model] = pin(references[task, model], task, settings, emit)
        except GenaiError as error:
            problems[task, model] = error
    return references, problems


def look_up_one(needs: ModelNeeds, access: Access, emit: Emit, key: ServerKey | None = None) -> References:
    """What one model stands for, pinned. Raises GenaiError where it is not available."""
    references, problems = look_up([needs], RunSettings(access=access, key=key), emit)
    for problem in problems.values():
        raise problem
    return references


def make_spec(
    needs: ModelNeeds, references: References, placing: Placing, adapters: Mapping[Adapter, Adapter] | None = None
) -> ModelSpec:
    """What is to be loaded for requests with these needs; `adapters` is what was found out about their files."""
    reference, vae = references[needs.task, needs.model], needs.vae
    found = (adapters or {}).get(vae, vae) if vae else None
    where = placing.follow(needs.made_in)
    return ModelSpec(needs.task, reference, needs.unused, needs.quantize, where, cast("Vae | None", found))


def pin(reference: ModelReference, task: str, settings: RunSettings, emit: Emit) -> ModelReference:
    """The reference with its commit, or with the name of a server's model. Raises as the two ways do."""
    if reference.server is not None:
        from genai_cli.work.engines.remote import find_served

        return find_served(reference, task, settings.access, settings.key, emit)
    if reference.pinned:
        return reference
    from genai_cli.hub.fetching import resolve

    return resolve(reference, settings.access.offline, emit)


def list_jobs(orders: Iterable[Order], references: References, writer: Writer | None) -> Iterator[Job]:
    """The jobs of the orders, in their order; without a folder of their own, their base seed is drawn for this run."""
    return expand(orders, references, writer.base_seed if writer else secrets.randbits(32))


def run(orders: Orders, settings: RunSettings, todo: Todo, emit: Emit) -> Iterator[Finished]:
    """Make what the orders ask for, model by model; each result is at its final name when it is yielded.

    Where one of several models is not available, its jobs fail and the others' are made. Raises OutputError where
    writing fails, DeviceError where the device is missing, and the GenaiError of the only model.
    """
    all_needs = orders.survey.needs
    models = {needs.model for needs in all_needs}
    # First, as a worker takes its time to start.
    with open_engines(settings.engine, models, settings.key, settings.keep, emit) as produce:
        if orders.survey.adapters:
            from genai_cli.hub.adapters import find_adapters

            orders.adapters = find_adapters(orders.survey.adapters, settings.access, load_catalog(), emit)
        todo.references, problems = look_up(all_needs, settings, emit)
        for needs, items in all_needs.items():
            jobs = list_jobs(orders.select(needs), todo.references, todo.writer)
            to_make = (job for job in jobs if todo.takes(job))
            first = list(islice(to_make, LOOKAHEAD))
            stream = HandedOut(chain(first, to_make))
            order = InputSequence()
            # What was done in earlier runs does not count where it shows: then these are all that is left.
            left = len(first) if len(first) < LOOKAHEAD else items
            hints = Hints(left, find_usual_pace(first), settings.batch_size)
            name = (needs.task, needs.model)
            spec = make_spec(needs, todo.references, settings.placing, orders.adapters)
            try:
                if name in problems:
                    raise problems[name]
                assignment = Assignment(spec, settings.access, settings.delivery, hints)
                # A batch is safest where each result is kept as soon as it is made; who reads them wants their order.
                is_batch = todo.writer is not None and todo.writer.is_batch
                outcomes = produce(assignment, stream if is_batch else order.watch(stream))
                for outcome in outcomes if is_batch else order.restore(outcomes):
                    stream.end(outcome.job)
                    yield keep(outcome, settings, todo, emit)
            except (OutputError, DeviceError):
                raise
            except GenaiError as error:
                if len(todo.references) == 1:
                    raise
                for job in stream.left():
                    yield keep(Failure(job, error), settings, todo, emit)


def keep(outcome: Outcome, settings: RunSettings, todo: Todo, emit: Emit) -> Finished:
    """Write a result, or note a failure, and count it."""
    started = time.perf_counter()
    with hold_signals():  # so that who interrupts is told of every item that is written
        finished = finish(outcome, settings, todo.writer)
        todo.report.take(finished.error)
    if finished.file is not None:
        emit(Detail(f"written in {time.perf_counter() - started:.2f} s"))
    return finished


class HandedOut:
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


def find_usual_pace(jobs: Iterable[Job]) -> str:
    """The pace of most of the jobs."""
    paces = Counter(job.request.pace() for job in jobs)
    return paces.most_common(1)[0][0] if paces else ""


def finish(outcome: Outcome, settings: RunSettings, writer: Writer | None) -> Finished:
    """Sign and write an artifact, or note a failure. Raises OutputError."""
    if isinstance(outcome, Failure):
        failed = Finished(outcome.job, outcome.status, error=outcome.error)
        if writer:
            writer.note(failed.line())
        return failed
    data, fields, task = outcome.data, name_fields(outcome.job), outcome.job.request.task
    if settings.signer:
        # Here and not where the model runs, which may be another machine: the key stays on this one.
        title = str(fields["slug"]) if settings.delivery.metadata else task
        mark = choose_mark(find_modality(task).mark, outcome.record) or GENERATED
        inputs = outcome.job.request.inputs().values() if settings.delivery.metadata else ()
        data = settings.signer.sign(data, outcome.suffix, title, mark, inputs)
    done = Finished(outcome.job, "done", outcome.record, data)
    if writer is None:
        return done
    beside = to_line(outcome.beside) if outcome.beside is not None else None
    packable = find_modality(task).packable
    others = tuple((one, more, to_line(kept) if kept is not None else None) for one, more, kept in outcome.others)
    file = writer.write(NewFile(data, outcome.suffix, fields, beside, done.line(), packable, others))
    return replace(done, file=file)


def name_fields(job: Job) -> dict[str, str | int]:
    """The fields of a file name's template, and whether a seed tells results apart."""
    return {
        "slug": slugify(job.request.title, job.request.task),
        SEEDED: int(not find_modality(job.request.task).resumes),
        "seed": job.request.seed or 0,
        "index": job.index,
        "key": job.key,
        "id": job.id,
    }
