"""What a Ray actor runs: one producer at a time, which sends its artifacts back as bytes."""

import os
import socket
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from genai_cli import __version__
from genai_cli.device.environment import prepare_environment
from genai_cli.device.spec import ModelSpec
from genai_cli.errors import GenaiError, ModelError
from genai_cli.events import Detail, Event, Notice
from genai_cli.hub.reference import BUILT_IN, ModelReference
from genai_cli.hub.single_file import parse_single_file
from genai_cli.modality.registry import load_catalog
from genai_cli.work.assignment import Assignment
from genai_cli.work.job import Job
from genai_cli.work.outcome import Failure, Outcome, note_cause
from genai_cli.work.producer import Producer


class Greeting(NamedTuple):
    """What a worker tells when it has started."""

    version: str
    host: str


@dataclass(frozen=True)
class Work:
    """What became of some jobs; `error` is what made the model itself unusable."""

    outcomes: Sequence[Outcome] = ()
    events: Sequence[Event] = ()
    error: GenaiError | None = None


@dataclass
class Worker:
    """Keeps the model that it used last, until it is given jobs of another one."""

    single_thread: bool
    events: list[Event] = field(default_factory=list)
    model_thread: Executor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def __post_init__(self) -> None:
        if self.single_thread:
            # Read when torch is first imported, which has not happened in this process yet.
            os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
        prepare_environment()
        self.producer = Producer(self.events.append, self.model_thread)

    def greet(self) -> Greeting:
        """Say which genai this is, and where."""
        return Greeting(__version__, socket.gethostname())

    def produce(self, assignment: Assignment, jobs: Sequence[Job]) -> Work:
        """Make the jobs."""
        outcomes: list[Outcome] = []
        error = None
        self.events.clear()
        try:
            here = replace(assignment, spec=replace(assignment.spec, reference=locate(assignment.spec)))
            for outcome in self.producer.produce(here, jobs):
                outcomes.append(outcome)
                if isinstance(outcome, Failure):
                    note_cause(outcome.error)
        except GenaiError as failure:
            note_cause(failure)
            error = failure
        return Work(outcomes, [event for event in self.events if isinstance(event, Notice | Detail)], error)


def locate(spec: ModelSpec) -> ModelReference:
    """The model on this machine: the built-in one lies in this machine's package. Raises ModelError."""
    reference = spec.reference
    if reference.id == BUILT_IN:
        return load_catalog().built_in(spec.task)
    if reference.file is not None:
        if not reference.file.is_file():
            raise ModelError(
                f"there is no file {str(reference.file)!r} on {socket.gethostname()}, where a worker needs it",
                hint="put it on a disk that all workers see",
            )
        return parse_single_file(reference.id, reference.file, reference.revision)
    if reference.folder is not None and not reference.folder.is_dir():
        raise ModelError(
            f"there is no folder {str(reference.folder)!r} on {socket.gethostname()}, where a worker needs it",
            hint="put it on a disk that all workers see, or name the model by owner/name: each worker fetches it",
        )
    return reference
