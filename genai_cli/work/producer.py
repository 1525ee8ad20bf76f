"""Turns jobs into artifacts with a loaded model: bytes and their record. It touches no output folder."""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice

from genai_cli.device.compiling import describe_compiled
from genai_cli.device.memory import give_back_memory
from genai_cli.errors import GenaiError
from genai_cli.events import AboutItem, Detail, Emit, Event, Notice, SoundPiece, TextPiece
from genai_cli.hub.license import check_license
from genai_cli.modality.modality import Result
from genai_cli.modality.registry import find_modality
from genai_cli.request.request import Request
from genai_cli.types import JsonObject
from genai_cli.work.ahead import one_ahead
from genai_cli.work.assignment import Assignment
from genai_cli.work.batching import LOOKAHEAD, cut, cut_groups
from genai_cli.work.finishing import finish
from genai_cli.work.job import Job
from genai_cli.work.loaded_model import LoadedModel, MemoryShortage, ModelSource
from genai_cli.work.outcome import Failure, Outcome

# Where the pictures of a batch are encoded and written while the model makes the next ones. Elsewhere the model needs
# the processor itself, or takes so long for a picture that little is gained and an interrupt would wait for it.
ACCELERATORS = ("cuda",)


@dataclass(frozen=True)
class Made:
    """What the model made of a job, or why it made nothing; `seconds` in the model, and whether it was compiled.

    `compiled` holds what a record says of that: nothing where it was not tried.
    """

    job: Job
    result: Result | GenaiError
    seconds: float = 0.0
    compiled: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """What came of requests that the model took at once: `items` with those of others, in so many seconds."""

    results: Sequence[Result | GenaiError]
    seconds: float
    items: int


class Producer:
    """Makes the jobs given to it, a pure function of each job and its assignment; it keeps the model that it used last.

    `model_thread` is where a model on an accelerator runs; without one all is done where `produce` is called.
    """

    def __init__(self, emit: Emit, model_thread: Executor | None = None) -> None:
        self.emit = emit
        self.model_thread = model_thread
        self.source: ModelSource | None = None
        self.loaded: LoadedModel | None = None
        self.assignment: Assignment | None = None
        self.most: int | None = None
        """How many items fit at once, as far as is known: asked for, or found out when memory did not suffice."""

    def produce(self, assignment: Assignment, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """An artifact or a failure for each job, taken as a stream. Raises what makes the model itself unusable.

        The model is fetched and loaded when the first job comes that it can do. On an accelerator pictures are encoded,
        and written by whoever takes them, while the model makes the next ones.
        """
        self.take(assignment)
        stream = iter(jobs)
        while window := list(islice(stream, LOOKAHEAD)):
            if self.source is None:
                self.source = self.open_source(assignment)
            fitting, failures = check_jobs(window, self.source)
            yield from failures
            if not fitting:
                continue
            if self.loaded is None:
                self.loaded = self.load(assignment, self.source)
            for group in self.overlap(assignment, self.loaded, self.make_groups(self.loaded, fitting)):
                for made in group:
                    yield self.finish(assignment, self.loaded, made)

    def open_source(self, assignment: Assignment) -> ModelSource:
        """The model's files. Raises as ModelSource does."""
        return ModelSource(assignment.spec, assignment.access, self.emit)

    def load(self, assignment: Assignment, source: ModelSource) -> LoadedModel:
        """The loaded model. Raises as LoadedModel does."""
        return LoadedModel(source, assignment.hints, self.emit)

    def free_others(self) -> bool:
        """Free models that are kept and not in use; whether there were any. Here none is kept beside this one."""
        return False

    def take(self, assignment: Assignment) -> None:
        """Keep the loaded model where it serves. The one before another goes before that is loaded."""
        if self.source is None or self.source.spec != assignment.spec:
            self.source = self.loaded = None
        else:
            files = self.source.files
            check_license(files.reference.id, files.license, assignment.access.licenses)
        if self.assignment is None or self.source is None or self.assignment.hints != assignment.hints:
            self.most = assignment.hints.batch_size
        self.assignment = assignment

    def overlap(
        self, assignment: Assignment, loaded: LoadedModel, groups: Iterator[list[Made]]
    ) -> Iterator[list[Made]]:
        """The groups; where that gains, each is made while the one before it is taken care of."""
        on_accelerator = loaded.device.partition(":")[0] in ACCELERATORS
        gains = loaded.modality.overlaps and assignment.hints.items > 1 and on_accelerator
        return one_ahead(groups, self.model_thread) if self.model_thread and gains else groups

    def make_groups(self, loaded: LoadedModel, jobs: Sequence[Job]) -> Iterator[list[Made]]:
        """What the model makes of the jobs, all that it made at once together."""

        def choose_size(request: Request) -> int:
            return loaded.choose_batch_size(request, self.most)

        for group in cut_groups(jobs, choose_size):
            yield from self.make_group(loaded, group)

    def make_group(self, loaded: LoadedModel, jobs: Sequence[Job]) -> Iterator[list[Made]]:
        """What the model makes of jobs that it takes at once.

        Where memory does not suffice, the group is halved; after any other failure each job is made alone.
        """
        if self.most is not None and len(jobs) > self.most:
            for part in cut(jobs, self.most):
                yield from self.make_group(loaded, part)
            return
        try:
            run: Run | GenaiError = self.generate(loaded, [job.request for job in jobs], partial(self.hear, len(jobs)))
        except GenaiError as error:
            run = error
        if isinstance(run, MemoryShortage) and self.make_room(loaded, len(jobs), run):
            yield from self.make_group(loaded, jobs)
        elif isinstance(run, GenaiError) and len(jobs) == 1:
            yield [Made(jobs[0], run)]
        elif isinstance(run, GenaiError):
            for job in jobs:
                yield from self.make_group(loaded, [job])
        else:
            seconds = run.seconds / run.items
            several = f" an item, {run.items} at once" if run.items > 1 else ""
            self.emit(Detail(f"generated in {seconds:.1f} s{several}"))
            loaded.watch_compiling(jobs[0].request, seconds, self.emit)
            compiled = describe_compiled(loaded.model.compiled)
            yield [Made(job, result, seconds, compiled) for job, result in zip(jobs, run.results, strict=True)]

    def generate(self, loaded: LoadedModel, requests: Sequence[Request], emit: Emit) -> Run:
        """What the model makes of the requests. Raises GenaiError where it fails as a whole."""
        started = time.perf_counter()
        results = loaded.generate(requests, emit)
        return Run(results, time.perf_counter() - started, len(requests))

    def hear(self, items: int, event: Event) -> None:
        """Pass on what the model says of so many items; pieces of several results at once would be a muddle."""
        if not isinstance(event, AboutItem):
            self.emit(event)
        elif items == 1 or not isinstance(event.event, TextPiece | SoundPiece):
            self.emit(event.event)

    def make_room(self, loaded: LoadedModel, items: int, shortage: MemoryShortage) -> bool:
        """Take the next step to need less memory, and say so; False where none is left."""
        give_back_memory()
        step: str | None
        if self.free_others():
            step = "other models that were kept are freed"
        elif items > 1:
            self.most = items // 2
            step = f"{self.most} at once from now on, not {items}"
        else:
            step = loaded.model.save_memory(loaded.device)
        if step is None:
            return False
        self.emit(Notice(f"{shortage.message}; {step}"))
        return True

    def finish(self, assignment: Assignment, loaded: LoadedModel, made: Made) -> Outcome:
        """Check, describe and encode one result."""
        job, result = made.job, made.result
        if isinstance(result, GenaiError):
            return Failure(job, result)
        started = time.perf_counter()
        described = replace(result, facts={**made.compiled, **result.facts})
        outcome = finish(job, described, loaded.origin, made.seconds, assignment.delivery)
        if isinstance(outcome, Failure):
            loaded.fit(outcome.error)
        else:
            self.emit(Detail(f"encoded in {time.perf_counter() - started:.2f} s"))
        return outcome


def check_jobs(jobs: Sequence[Job], source: ModelSource) -> tuple[list[Job], list[Failure]]:
    """The jobs that the model can do as its files tell, and a failure for each of the others."""
    modality = find_modality(source.spec.task)
    fitting, failures = [], []
    for job in jobs:
        try:
            modality.check(source.files.folder, job.request)
            fitting.append(job)
        except GenaiError as error:
            failures.append(Failure(job, error))
    return fitting, failures
