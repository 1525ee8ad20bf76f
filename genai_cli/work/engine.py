"""Where jobs are made: in this process, or by workers that Ray runs."""

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from genai_cli.errors import InputError, nearest
from genai_cli.events import Emit
from genai_cli.work.job import Job
from genai_cli.work.producer import Outcome, Producer, Setup

LOCAL, RAY = "local", "ray"

Produce = Callable[[Setup, Iterable[Job]], Iterator[Outcome]]
"""An artifact or a failure for each job of a stream, as `Producer.produce` gives them."""


@dataclass(frozen=True)
class Engine:
    """Which engine, how many workers (None: as many as suit the devices), and the cluster's address (None: our own)."""

    name: str = LOCAL
    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.name not in (LOCAL, RAY):
            hint = nearest(self.name, [LOCAL, RAY]) or f"one of {LOCAL}, {RAY}"
            raise InputError(f"unknown engine {self.name!r}", hint=hint)
        if self.name == RAY:
            check_ray(self.address)
        elif self.workers is not None or self.address is not None:
            option = "--workers" if self.workers is not None else "--ray-address"
            raise InputError(f"{option} needs --engine ray", hint="the local engine makes all in one process")

    def check_device(self, device: str) -> None:
        """Raise InputError for one GPU by its number, which Ray's workers do not see: each has one of its own."""
        if self.name == RAY and device.startswith("cuda:"):
            raise InputError(f"--device {device} is for the local engine", hint="--device cuda gives each worker a GPU")


def check_ray(address: str | None) -> None:
    """Raise InputError where Ray is not installed, or the address is of a kind that cannot be used."""
    try:
        found = importlib.util.find_spec("ray") is not None
    except ImportError:
        found = False
    if not found:
        raise InputError("--engine ray needs Ray, which is not installed", hint="pip install 'genai-cli[ray]'")
    if address is not None and ("://" in address or not (address == "auto" or address.rpartition(":")[2].isdecimal())):
        raise InputError(
            f"--ray-address must be HOST:PORT or auto, not {address!r}",
            hint="run genai on a machine of the cluster; ray start says the address",
        )


@contextmanager
def open_engine(engine: Engine, emit: Emit) -> Iterator[Produce]:
    """What makes jobs, for as long as the context lasts."""
    if engine.name == LOCAL:
        with ThreadPoolExecutor(1) as model_thread:
            yield lambda setup, jobs: Producer(setup, emit, model_thread).produce(jobs)
        return
    from genai_cli.work.cluster import Cluster

    with Cluster(engine, emit) as cluster:
        yield cluster.produce
