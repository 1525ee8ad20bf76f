"""Opens the engines of a run. A new engine is a file beside this one, and a line here."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager

from genai_cli.events import Emit
from genai_cli.hub.address import is_address
from genai_cli.work.assignment import Assignment
from genai_cli.work.engines.engine import LOCAL, Engine
from genai_cli.work.engines.server_key import ServerKey
from genai_cli.work.job import Job
from genai_cli.work.outcome import Outcome

Produce = Callable[[Assignment, Iterable[Job]], Iterator[Outcome]]
"""An artifact or a failure for each job of a stream, as `Producer.produce` gives them."""


@contextmanager
def open_engines(
    engine: Engine, models: Collection[str], key: ServerKey | None, keep: float, emit: Emit
) -> Iterator[Produce]:
    """What makes jobs with models of these names, for as long as the context lasts: servers, and the chosen engine."""
    by_server: dict[bool, Produce] = {}
    with ExitStack() as opened:
        if any(map(is_address, models)):
            from genai_cli.work.engines.remote import RemoteEngine

            by_server[True] = RemoteEngine(engine.workers, key, emit).produce
        if not all(map(is_address, models)):
            by_server[False] = opened.enter_context(open_engine(engine, keep, emit))

        def produce(assignment: Assignment, jobs: Iterable[Job]) -> Iterator[Outcome]:
            return by_server[assignment.spec.reference.server is not None](assignment, jobs)

        yield produce


@contextmanager
def open_engine(engine: Engine, keep: float, emit: Emit) -> Iterator[Produce]:
    """What makes jobs with models that this machine, or a cluster, loads; with `keep`, in a worker that goes on."""
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
