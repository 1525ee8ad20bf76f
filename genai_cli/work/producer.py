"""A loaded model that turns jobs into artifacts: bytes and their record. It touches no output folder."""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from genai_cli.errors import DeviceError, GenaiError, OutputError, ResultError
from genai_cli.events import Detail, Emit, Notice
from genai_cli.modality import audio, classify, image, text
from genai_cli.modality.request import Request
from genai_cli.model.compiling import CompiledCall
from genai_cli.model.device import free_memory, select_device, select_placement
from genai_cli.model.files import FetchOptions
from genai_cli.model.hub import ModelFiles, fetch
from genai_cli.model.importing import import_libraries
from genai_cli.model.learnt import Lesson, read_times, times_key
from genai_cli.model.loading import asks_bfloat16
from genai_cli.model.names import ModelReference
from genai_cli.model.policy import Decision, Situation, Times, decide
from genai_cli.model.quantize import drawback
from genai_cli.model.read_ahead import read_ahead
from genai_cli.model.threads import set_threads, waiting
from genai_cli.output.health import FilteredError, check_picture, check_sound, check_text
from genai_cli.output.picture import Picture
from genai_cli.output.record import Origin, Record, build_record, without_prompt
from genai_cli.output.sound import Sound
from genai_cli.output.text import Text
from genai_cli.work.ahead import one_ahead
from genai_cli.work.grouping import LOOKAHEAD, auto_size, cut, cut_groups, largest_size
from genai_cli.work.job import Job
from genai_cli.work.memory import give_back_memory, memory_shortage

# Where the pictures of a batch are encoded and written while the model makes the next ones. Elsewhere the model needs
# the processor itself, or takes so long for a picture that little is gained and an interrupt would wait for it.
ACCELERATORS = ("cuda",)

MODALITIES: dict[str, Any] = {"image": image, "text": text, "classify": classify, "audio": audio}


@dataclass(frozen=True)
class Setup:
    """All that a producer needs to load its model and encode its results, here or on another machine."""

    task: str
    reference: ModelReference
    suffix: str
    device: str = "auto"
    dtype: str = "auto"
    variant: str = "auto"
    unused: frozenset[str] = frozenset()
    offline: bool = False
    metadata: bool = True
    licenses: frozenset[str] = frozenset()
    quantize: str | None = None
    compile: bool | None = None
    """Whether to compile; None leaves it to the policy, which asks how many `items` are left and of which `pace`."""
    items: int = 1
    pace: str = ""
    batch_size: int | None = None
    """How many items at most at once; None: as many as suit the device."""


@dataclass(frozen=True)
class Made:
    """What the model made of a job, or why it made nothing; `seconds` in the model, and whether it was compiled.

    `compiled` is None where nothing of the model is ever compiled.
    """

    job: Job
    result: Any
    seconds: float = 0.0
    compiled: bool | None = None


@dataclass(frozen=True)
class Artifact:
    """A finished result: its record, the file's bytes, and the record to stand beside a file that cannot carry it."""

    job: Job
    record: Record
    data: bytes
    beside: Record | None


@dataclass(frozen=True)
class Failure:
    """A job that gave nothing to keep; `status` is `failed` or `filtered`."""

    job: Job
    error: GenaiError
    status: str


Outcome = Artifact | Failure


class MemoryShortage(DeviceError):
    """The device's memory does not suffice for what was asked of it at once."""


class Producer:
    """Loads the model of its setup once and makes the jobs given to it, a pure function of each job.

    `model_thread` is where a model on an accelerator runs; without one all is done where `produce` is called.
    """

    def __init__(self, setup: Setup, emit: Emit, model_thread: Executor | None = None) -> None:
        self.setup = setup
        self.emit = emit
        self.model_thread = model_thread
        self.modality = MODALITIES[setup.task]
        self.files: ModelFiles | None = None
        self.loaded: Any = None
        self.started = 0.0
        self.downloaded = 0.0
        self.origin: Origin | None = None
        self.lesson: Lesson | None = None
        self.told_failure = False
        self.device = "cpu"
        self.free_bytes = 0
        self.most: int | None = setup.batch_size
        """How many items fit at once, as far as is known: asked for, or found out when memory did not suffice."""

    def produce(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """An artifact or a failure for each job, taken as a stream. Raises what makes the model itself unusable.

        The model is fetched and loaded when the first job comes that it can do. On an accelerator pictures are encoded,
        and written by whoever takes them, while the model makes the next ones.
        """
        stream = iter(jobs)
        while window := list(islice(stream, LOOKAHEAD)):
            files = self.files = self.files or self.fetch()
            fitting = []
            for job in window:
                try:
                    job.request.check_files(files.folder)
                    fitting.append(job)
                except GenaiError as error:
                    yield Failure(job, error, "failed")
            if fitting and self.loaded is None:
                self.load(files)
            for group in self.ahead(self.make_groups(fitting)):
                for made in group:
                    yield self.finish(made)

    def ahead(self, groups: Iterator[list[Made]]) -> Iterator[list[Made]]:
        """The groups, pictures on an accelerator each made while the one before it is taken care of."""
        gains = self.setup.task == "image" and self.setup.items > 1 and self.device.partition(":")[0] in ACCELERATORS
        return one_ahead(groups, self.model_thread) if self.model_thread and gains else groups

    def fetch(self) -> ModelFiles:
        """The model's files, downloaded where they are not at hand."""
        setup = self.setup
        self.started = time.perf_counter()
        if setup.device not in ("auto", "cpu"):
            select_device(setup.device)  # one that is not there is said before gigabytes are fetched for it
        options = FetchOptions(setup.task, setup.variant, setup.dtype, setup.unused, setup.offline, setup.licenses)
        files = fetch(setup.reference, options, self.emit)
        self.downloaded = time.perf_counter()
        read_ahead(files.weights)
        return files

    def load(self, files: ModelFiles) -> None:
        """Load the model from files at hand onto its device."""
        started = time.perf_counter()
        import_libraries(files)
        imported = time.perf_counter()
        placement = select_placement(self.setup.device, self.setup.dtype, asks_bfloat16(files))
        decision = self.decide_compiling(files, placement.device)
        placement = replace(placement, quantize=self.setup.quantize, compile=decision.compile)
        self.emit(Detail(f"device {placement.device}: {placement.device_reason}"))
        self.emit(Detail(f"dtype {placement.dtype}: {placement.dtype_reason}"))
        self.emit(Detail(f"compiled: {'yes' if decision.compile else 'no'}, {decision.reason}"))
        if placement.device == "cpu":
            self.emit(
                Detail(f"threads: {set_threads(files.weight_bytes())}, {waiting()} while they wait for each other")
            )
        if note := drawback(placement):
            self.emit(Notice(note))
        self.loaded = self.modality.load(files, placement)
        self.device = placement.device
        self.free_bytes = free_memory(placement.device) or 0
        seconds = {
            "load": time.perf_counter() - self.started,
            "download": self.downloaded - self.started,
            "import": imported - started,
        }
        self.emit(Detail("loaded in {load:.1f} s: download {download:.1f} s, import {import:.1f} s".format(**seconds)))
        self.origin = Origin(
            {
                "id": files.reference.id,
                "revision": files.reference.revision,
                "variant": files.variant,
                "license": files.license,
            },
            placement.record(),
            seconds,
        )

    def decide_compiling(self, files: ModelFiles, device: str) -> Decision:
        """Whether to compile the model; on cuda the times of most of its items are watched for the next decision."""
        setup = self.setup
        times = Times()
        if device.startswith("cuda"):
            self.lesson = Lesson(times_key(setup.task, setup.pace, files.reference.id, device))
            times = read_times(self.lesson.key)
        weights = files.weight_bytes()
        return decide(Situation(setup.task, device, setup.items, weights, free_memory(device), times, setup.compile))

    def watch_compiling(self, request: Request, seconds: float) -> None:
        """Learn from the time of an item of the usual pace, and say once where the compiler failed."""
        compiled: CompiledCall | None = getattr(self.loaded, "compiled", None)
        if compiled is not None and compiled.failure and not self.told_failure:
            self.told_failure = True
            self.emit(Notice(f"the model could not be compiled and runs as it is: {compiled.failure}"))
        if self.lesson and request.pace() == self.setup.pace and not (compiled and compiled.failure):
            self.lesson.take(seconds, compiled is not None)

    def size_of(self, request: Request) -> int:
        """How many items like this one the model is to make at once."""
        pixels = image.pixels_of(self.loaded, request) if isinstance(request, image.ImageRequest) else 0
        most = self.most or auto_size(self.setup.task, self.device, self.free_bytes, pixels)
        return min(most, largest_size(self.setup.task, self.device))

    def make_groups(self, jobs: Sequence[Job]) -> Iterator[list[Made]]:
        """What the model makes of the jobs, all that it made at once together."""
        for group in cut_groups(jobs, self.size_of):
            yield from self.make_group(group)

    def make_group(self, jobs: Sequence[Job]) -> Iterator[list[Made]]:
        """What the model makes of jobs that it takes at once.

        Where memory does not suffice, the group is halved; after any other failure each job is made alone.
        """
        if self.most is not None and len(jobs) > self.most:
            for part in cut(jobs, self.most):
                yield from self.make_group(part)
            return
        started = time.perf_counter()
        results = self.attempt([job.request for job in jobs])
        if isinstance(results, MemoryShortage) and self.make_room(len(jobs), results):
            yield from self.make_group(jobs)
        elif isinstance(results, GenaiError) and len(jobs) == 1:
            yield [Made(jobs[0], results)]
        elif isinstance(results, GenaiError):
            for job in jobs:
                yield from self.make_group([job])
        else:
            seconds = (time.perf_counter() - started) / len(jobs)
            of_several = f" an item, {len(jobs)} at once" if len(jobs) > 1 else ""
            self.emit(Detail(f"generated in {seconds:.1f} s{of_several}"))
            self.watch_compiling(jobs[0].request, seconds)
            compiled = getattr(self.loaded, "compiled", None)
            active = None if compiled is None else compiled.active
            yield [Made(job, result, seconds, active) for job, result in zip(jobs, results, strict=True)]

    def make_room(self, items: int, shortage: "MemoryShortage") -> bool:
        """Take the next step to need less memory, and say so; False where none is left."""
        give_back_memory()
        if items > 1:
            self.most = items // 2
            step = f"{self.most} at once from now on, not {items}"
        else:
            taken = image.save_memory(self.loaded, self.device) if self.setup.task == "image" else None
            if taken is None:
                return False
            step = taken
        self.emit(Notice(f"{shortage.message}; {step}"))
        return True

    def attempt(self, requests: Sequence[Request]) -> list[Any] | GenaiError:
        """What the model makes of the requests, or how it failed as a whole."""
        try:
            return self.generate(requests)
        except GenaiError as error:
            return error

    def generate(self, requests: Sequence[Request]) -> list[Any]:
        """Run the model: a result, or an error of its own, for each request. Raises MemoryShortage.

        Any other failure of a library becomes a plain GenaiError, so that it costs one item and no more.
        """
        try:
            return list(self.modality.generate(self.loaded, requests, self.emit))
        except (GenaiError, OSError):
            raise  # an OSError is the console's: whoever reads the streamed text went away, or its disk is full
        except Exception as error:  # whatever one item meets in a library, the others go on
            shortage = memory_shortage(error)
            if shortage is None:
                reason = f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}"
                raise GenaiError(f"the model failed: {reason}", hint="--debug shows where; please report it") from error
        # Here, and not above: an exception that is being handled holds on to the memory that it did not suffice for.
        raise MemoryShortage(
            f"out of memory on {self.device}: {shortage}", hint="try a smaller size, --dtype float16 or --device cpu"
        )

    def finish(self, made: Made) -> Outcome:
        """Check, describe and encode one result."""
        if self.origin is None:
            raise ValueError("the model is not loaded")
        job, result = made.job, made.result
        if isinstance(result, GenaiError):
            return Failure(job, result, "failed")
        started = time.perf_counter()
        try:
            content = content_of(result)
        except ResultError as error:
            return Failure(job, error, "filtered" if isinstance(error, FilteredError) else "failed")
        record = build_record(
            job.request.task, job.request.prompt, result.parameters, self.origin, made.seconds, content.sha256()
        )
        if made.compiled is not None:
            record["compiled"] = made.compiled
        if isinstance(content, Text):
            record |= extras_of(result)
        elif isinstance(result, image.ImageResult):
            record |= result.remedies
        kept = record if self.setup.metadata else without_prompt(record)
        beside = kept if isinstance(content, Text) else None
        try:
            artifact = Artifact(job, record, content.encode(kept, job.suffix or self.setup.suffix), beside)
        except OutputError as error:
            return Failure(job, error, "failed")
        self.emit(Detail(f"encoded in {time.perf_counter() - started:.2f} s"))
        return artifact


def content_of(result: Any) -> Picture | Sound | Text:
    """What a file will hold of a modality's result. Raises ResultError where it is not fit to keep."""
    if isinstance(result, image.ImageResult):
        check_picture(result.pixels, result.filtered)
        return Picture((result.pixels * 255).round().astype("uint8"))
    if isinstance(result, audio.AudioResult):
        check_sound(result.samples)
        return Sound((result.samples * 32768).round().clip(-32768, 32767).astype("int16"), result.sampling_rate)
    if isinstance(result, text.TextResult):
        check_text(result.made)
        return Text(result.text)
    return Text("\n".join(f"{label}\t{score:.4f}" for label, score in result.labels))


def extras_of(result: Any) -> Record:
    """What was made, where it is small: the text, or the labels with their scores."""
    if isinstance(result, text.TextResult):
        return {"text": result.text, "finish_reason": result.finish_reason, "tokens": result.tokens}
    labels = [{"label": label, "score": round(score, 6)} for label, score in result.labels]
    return {**labels[0], "labels": labels}
