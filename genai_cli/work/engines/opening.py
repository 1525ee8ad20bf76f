"""Opens an engine. A new engine is a file beside this one, and a line here."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from genai_cli.events import Emit
from genai_cli.work.assignment import Assignment
from genai_cli.work.engines.engine import LOCAL, Engine
from genai_cli.work.job import Job
from genai_cli.work.outcome import Outcome

Produce = Callable[[Assignment, Iterable[Job]], Iterator[Outcome]]
"""An artifact or a failure for each job of a stream, as `Producer.produce` gives them."""


@contextmanager
def open_engine(engine: Engine, keep: float, emit: Emit) -> Iterator[Produce]:
    """What makes jobs, for as long as the context lasts; with `keep`, a worker that goes on for so many seconds."""
    if keep:
        from genai_cli.work.engines.worker import WorkerEngine

        with WorkerEngine(keep, emit) as worker:
            yield worker.produce
    elif engine.engine == LOCAL:
        from concurrent.futures import ThreadPoolExecutor

        from genai_cli.work.producer import Producer

        with ThreadPoolExecutor(1) as model_thread:
            yield Producer(emit, model_thread).produce
    else:
        from genai_cli.work.engines.ray_cluster import Cluster

        with Cluster(engine, emit) as cluster:
            yield cluster.produce
