"""Models that stay loaded in one process: as many as memory allows, those that were not used for longest go first."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from genai_cli.device.memory import give_back_memory, read_available_memory
from genai_cli.device.spec import ModelSpec
from genai_cli.events import Detail, Emit, ignore
from genai_cli.hub.access import Access
from genai_cli.work.assignment import Hints
from genai_cli.work.joining import Joiner
from genai_cli.work.loaded_model import LoadedModel, ModelSource

ROOM = 2.5  # times the bytes of a model's files: what loading may take, where float16 files become float32
LEAST_FREE = 0.1  # of the memory: below it, models that are not in use go


@dataclass(eq=False)
class Place:
    """Where a model is kept: what is loaded, and the thread that it runs in for all commands."""

    spec: ModelSpec
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held by who looks at its files."""
    source: ModelSource | None = None
    loaded: LoadedModel | None = None
    stamp: tuple[object, ...] = ()
    """The state of the files of a model in a folder, which may change."""
    users: int = 0
    since: float = 0.0
    last_used: float = 0.0

    def __post_init__(self) -> None:
        self.joiner = Joiner(self.thread)

    def empty(self) -> None:
        """Let go of the model."""
        self.source = self.loaded = None
        self.stamp = ()


class Shelf:
    """The places of a process."""

    def __init__(self) -> None:
        self.places: dict[ModelSpec, Place] = {}
        self.lock = threading.RLock()
        self.loading = threading.Lock()

    @contextmanager
    def use(self, spec: ModelSpec) -> Iterator[Place]:
        """The place of a model; it stays as long as it is used."""
        with self.lock:
            place = self.places.setdefault(spec, Place(spec))
            place.users += 1
        try:
            yield place
        finally:
            with self.lock:
                place.users -= 1
                place.last_used = time.time()
                if place.loaded is None and not place.users:
                    self.remove(place)

    def open_source(self, place: Place, access: Access, emit: Emit) -> ModelSource:
        """The model's files; those of a folder are looked at again. Raises as ModelSource does."""
        with place.lock:
            if place.source is not None and stamp(place.spec) != place.stamp:
                emit(Detail("the model's files have changed; it is loaded again"))
                place.empty()
            if place.source is None:
                place.stamp = stamp(place.spec)
                place.source = ModelSource(place.spec, access, emit)
            return place.source

    def load(self, place: Place, source: ModelSource, hints: Hints, emit: Emit) -> LoadedModel:
        """The loaded model, in the thread that it runs in; one at a time is loaded. Raises as LoadedModel does."""
        return place.thread.submit(self.load_here, place, source, hints, emit).result()

    def load_here(self, place: Place, source: ModelSource, hints: Hints, emit: Emit) -> LoadedModel:
        """The loaded model, in this thread."""
        if place.loaded is None:
            with self.loading:
                self.make_room(place, source, emit)
                place.loaded = LoadedModel(source, hints, emit)
                place.since = time.time()
        else:
            place.loaded.forget_times()
        return place.loaded

    def make_room(self, place: Place, source: ModelSource, emit: Emit) -> None:
        """Free models that are not in use until there is room for another."""
        needed = source.files.count_weight_bytes() * ROOM
        while read_available_memory(place.spec.placing.device)[0] < needed:
            if not self.free_oldest(emit):
                return

    def free_oldest(self, emit: Emit) -> bool:
        """Free the model that was not used for longest; False where all are in use."""
        with self.lock:
            idle = [place for place in self.places.values() if not place.users]
            if not idle:
                return False
            oldest = min(idle, key=lambda place: place.last_used)
            emit(Detail(f"{oldest.spec.reference.id} is freed to make room"))
            self.remove(oldest)
        give_back_memory()
        return True

    def free_others(self, emit: Emit) -> bool:
        """Free all models that are not in use; False where there is none."""
        freed = False
        while self.free_oldest(emit):
            freed = True
        return freed

    def heed_pressure(self) -> None:
        """Free models that are not in use while memory is short."""
        while self.places:
            free, total = read_available_memory("cpu")
            if free >= total * LEAST_FREE or not self.free_oldest(ignore):
                return

    def remove(self, place: Place) -> None:
        """Take a place away."""
        self.places.pop(place.spec, None)
        place.thread.shutdown(wait=False)
        place.empty()


def stamp(spec: ModelSpec) -> tuple[object, ...]:
    """The state of a model's files in a folder; those of a commit on the hub never change."""
    folder: Path | None = spec.reference.folder
    own = [path for path in (spec.reference.file, spec.vae.path if spec.vae else None) if path is not None]
    files = own + (sorted(path for path in folder.rglob("*") if path.is_file()) if folder else [])
    return tuple((str(path), (found := path.stat()).st_mtime_ns, found.st_size) for path in files)
