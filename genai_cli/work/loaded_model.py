"""One loaded model: its files, the instance of its modality, and what was learnt while it was loaded."""

import time
from collections.abc import Sequence
from dataclasses import replace

from genai_cli.content.record import Origin
from genai_cli.device.compile_decision import Decision, Situation, Times, decide
from genai_cli.device.compile_times import Lesson, build_times_key, read_times
from genai_cli.device.compilers import OPENVINO
from genai_cli.device.failures import explain_run
from genai_cli.device.importing import import_libraries
from genai_cli.device.kept_weights import list_weights_to_read
from genai_cli.device.loading import asks_bfloat16, explain_failures
from genai_cli.device.memory import describe_shortage
from genai_cli.device.placement import fit_hint, read_free_memory, select_device, select_placement
from genai_cli.device.quantize import find_drawback
from genai_cli.device.read_ahead import read_ahead
from genai_cli.device.spec import ModelSpec
from genai_cli.device.threads import choose_threads, describe_waiting, use_threads
from genai_cli.device.workload import Burden
from genai_cli.errors import DeviceError, GenaiError
from genai_cli.events import Detail, Emit, Notice, Stage
from genai_cli.hub.access import Access
from genai_cli.hub.fetching import ModelFiles, fetch, fetch_companions
from genai_cli.hub.files import FetchOptions
from genai_cli.modality.modality import Modality, Result
from genai_cli.modality.registry import find_modality, load_catalog
from genai_cli.request.request import Request
from genai_cli.work.assignment import Hints
from genai_cli.work.batching import LOOKAHEAD


class MemoryShortage(DeviceError):
    """The device's memory does not suffice for what was asked of it at once."""


class ModelSource:
    """A model's files on this machine, and when they were first asked for."""

    def __init__(self, spec: ModelSpec, access: Access, emit: Emit) -> None:
        """Fetch what is missing. Raises ModelError, NetworkError, RefusedError, InputError, DeviceError."""
        self.spec = spec
        self.started = time.perf_counter()
        placing = spec.placing
        if placing.device not in ("auto", "cpu"):
            select_device(placing.device)  # a device that is missing is said before gigabytes are fetched for it
        catalog = load_catalog()
        kind = catalog.kind(spec.task)
        vae = spec.vae.path if spec.vae else None
        options = FetchOptions(kind, catalog, placing.variant, placing.dtype, spec.unused, access, vae)
        files = fetch(spec.reference, options, emit)
        modality = find_modality(spec.task)
        companions = modality.find_companions(files.folder)
        self.files: ModelFiles = fetch_companions(files, companions, options, emit)
        self.downloaded = time.perf_counter()
        # OpenVINO's networks are read in place of most weights.
        if not (modality.compiles and placing.compiler == OPENVINO):
            read_ahead(list_weights_to_read(self.files, spec.quantize, placing.dtype))


class LoadedModel:
    """A model on its device."""

    def __init__(self, source: ModelSource, hints: Hints, emit: Emit) -> None:
        """Load the model from files at hand. Raises ModelError, DeviceError, InputError."""
        started = time.perf_counter()
        emit(Stage(f"loading {source.spec.reference.id}..."))
        self.files, spec = source.files, source.spec
        self.modality: type[Modality[Request]] = find_modality(spec.task)
        import_libraries(self.files)
        imported = time.perf_counter()
        burden = Burden(self.modality.work, self.files.count_weight_bytes(), spec.quantize is not None)
        placing = spec.placing
        placement = select_placement(placing.device, placing.dtype, asks_bfloat16(self.files), burden, placing.earlier)
        self.device, self.dtype = placement.device, placement.dtype
        self.lesson: Lesson | None = None
        self.threads: int | None = None
        """How many threads it runs with on a CPU."""
        self.pace = hints.pace
        asked, compiler = placing.choose_compiler(placement.device)
        decision = self.decide_compiling(spec, hints, asked, compiler)
        placement = replace(placement, quantize=spec.quantize, compile=decision.compile, compiler=compiler)
        emit(Detail(f"device {placement.device}: {placement.device_reason}"))
        emit(Detail(f"dtype {placement.dtype}: {placement.dtype_reason}"))
        by = f"by {compiler}" if decision.compile else "no"
        emit(Detail(f"compiled: {by}, {decision.reason}"))
        if placement.device == "cpu":
            self.threads = choose_threads(self.files.count_weight_bytes())
            emit(Detail(f"threads: {self.threads}, {describe_waiting()} while they wait for each other"))
        if note := find_drawback(placement):
            emit(Notice(note))
        with explain_failures(self.files, placement), use_threads(self.threads):
            self.model = self.modality(self.files, placement)
        self.free_bytes = read_free_memory(placement.device) or 0
        seconds = {
            "load": time.perf_counter() - source.started,
            "download": source.downloaded - source.started,
            "import": imported - started,
        }
        emit(Detail("loaded in {load:.1f} s: download {download:.1f} s, import {import:.1f} s".format(**seconds)))
        reference = self.files.reference
        self.origin = Origin(
            {
                "id": reference.id,
                "revision": reference.revision,
                "variant": self.files.variant,
                "license": self.files.license,
            },
            placement.record(),
            seconds,
            (*self.modality.libraries, *((OPENVINO,) if placement.compiled_by_openvino else ())),
        )
        self.told_failure = False

    def decide_compiling(self, spec: ModelSpec, hints: Hints, asked: bool | None, compiler: str) -> Decision:
        """Whether to compile the model; on cuda and with OpenVINO the times of most of its items are watched."""
        times = Times()
        if self.device.startswith("cuda") or compiler == OPENVINO:
            key = build_times_key(spec.task, hints.pace, self.files.reference.id, self.device, compiler)
            self.lesson, times = Lesson(key), read_times(key)
        weights, free = self.files.count_weight_bytes(), read_free_memory(self.device)
        known = (spec.task, self.device, hints.items, weights, free, self.modality.compile_times, times)
        return decide(Situation(*known, asked))

    def watch_compiling(self, request: Request, seconds: float, emit: Emit) -> None:
        """Learn from the time of an item of the usual pace, and say once where the compiler failed."""
        compiled = self.model.compiled
        if compiled is not None and compiled.failure and not self.told_failure:
            self.told_failure = True
            emit(Notice(f"the model could not be compiled and runs as it is: {compiled.failure}"))
        if self.lesson and request.pace() == self.pace and not (compiled and compiled.failure):
            self.lesson.take(seconds, compiled is not None)

    def choose_batch_size(self, request: Request, most: int | None) -> int:
        """How many items like this one the model is to make at once; `most` is asked for or was found out."""
        size = most or self.model.choose_batch_size(request, self.device, self.free_bytes)
        return min(size, self.modality.limit_batch_size(self.device) or LOOKAHEAD)

    def forget_times(self) -> None:
        """The model was loaded for an earlier command: it takes this one no time."""
        self.origin = replace(self.origin, seconds=dict.fromkeys(self.origin.seconds, 0.0))

    def generate(self, requests: Sequence[Request], emit: Emit) -> list[Result | GenaiError]:
        """Run the model: a result, or an error of its own, for each request. Raises MemoryShortage.

        Any other failure of a library becomes a plain GenaiError, so that it costs one item and no more.
        """
        try:
            with use_threads(self.threads):
                results = self.model.generate(requests, emit)
            return [self.fit(result) if isinstance(result, GenaiError) else result for result in results]
        except (GenaiError, OSError):
            raise  # an OSError is the console's: whoever reads the streamed text went away, or its disk is full
        except Exception as error:  # whatever one item meets in a library, the others go on
            shortage = describe_shortage(error)
            if shortage is None:
                own = frozenset({__package__.partition(".")[0], self.modality.__module__.partition(".")[0]})
                raise explain_run(error, self.files.reference.id, self.device, own) from error
        # Here, and not above: an exception that is being handled holds on to the memory that it did not suffice for.
        hint = fit_hint("try a smaller size, --dtype float16 or --device cpu", self.device, self.dtype)
        raise MemoryShortage(f"out of memory on {self.device}: {shortage}", hint)

    def fit(self, error: GenaiError) -> GenaiError:
        """An error of a result whose hint fits this run: it names no dtype or device that is in use."""
        error.hint = fit_hint(error.hint, self.device, self.dtype)
        return error
