"""Hands jobs to a worker process that keeps models loaded, and starts one where there is none.

Whatever happens to the worker, the command ends with its results: what the worker did not make is made here.
"""

import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Self

from genai_cli.errors import DeviceError, GenaiError, ModelError
from genai_cli.events import Detail, Emit, Event, Notice, SoundPiece, TextPiece
from genai_cli.work.assignment import Assignment
from genai_cli.work.batching import LOOKAHEAD
from genai_cli.work.engines.link import (
    Done,
    GaveUp,
    Hello,
    Link,
    LinkError,
    Load,
    Produce,
    Welcome,
    connect,
    find_address,
    take_fingerprint,
)
from genai_cli.work.job import Job, carry_inputs
from genai_cli.work.outcome import Outcome

MODULE = "genai_cli.work.engines.worker_process"
STARTING = 20.0  # seconds in which a worker that was started must listen
ANSWERING = 10.0  # seconds in which a worker that listens must answer
RETRY = 0.01  # seconds between tries


class WorkerEngine:
    """A connection to the worker, made when it is entered, as the worker's start takes its time."""

    def __init__(self, keep: float, emit: Emit) -> None:
        self.keep = keep
        self.emit = emit
        self.address: Path | None = None
        self.fingerprint = ""
        self.process: subprocess.Popen[bytes] | None = None
        self.link: Link | None = None
        self.shown = 0
        """Characters of the text that is being made that were shown."""

    def __enter__(self) -> Self:
        try:
            self.fingerprint = take_fingerprint()
            self.address = find_address()
            self.link = self.greet()
        except LinkError as error:
            self.say_without(error)
        return self

    def __exit__(self, *_: object) -> None:
        if self.link is not None:
            self.link.close()

    def greet(self) -> Link | None:
        """A connection to a worker that runs what this process runs; None while one is starting. Raises LinkError."""
        if self.address is None:
            raise LinkError("it has no place")
        try:
            link = connect(self.address, ANSWERING)
        except LinkError:
            self.start(self.address)
            return None
        link.send(Hello(self.fingerprint, self.keep))
        answer = link.receive()
        if isinstance(answer, Welcome) and answer.serves:
            link.socket.settimeout(None)
            self.announce(answer.process)
            self.emit(Detail(f"worker {answer.process} keeps models loaded"))
            return link
        link.close()  # another genai, or one that is ending
        return None

    def start(self, address: Path) -> None:
        """Start a worker, unless the one that was started is on its way. Raises LinkError if that one failed."""
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None and self.process.returncode:
            raise LinkError(f"it ended with {self.process.returncode} as it started")
        self.process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(address)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def announce(self, process: int) -> None:
        """Say that the worker that this command started keeps models loaded."""
        if self.process is not None and process == self.process.pid:
            minutes = f"{self.keep / 60:.0f} minutes" if self.keep >= 120 else f"{self.keep:.0f} seconds"
            self.emit(Notice(f"a worker keeps models loaded for {minutes}; genai worker stop ends it", once=True))

    def reach(self) -> Link:
        """The connection, as soon as the worker listens. Raises LinkError."""
        ends = time.monotonic() + STARTING
        while self.link is None:
            self.link = self.greet()
            if self.link is None:
                if time.monotonic() > ends:
                    raise LinkError("it does not start")
                time.sleep(RETRY)
        return self.link

    def load(self, assignment: Assignment) -> None:
        """Have the worker load a model. Raises GenaiError where it cannot."""
        self.fetch(assignment)
        try:
            link = self.reach()
            link.send(Load(locate(assignment)))
            while not isinstance(message := link.receive(), Done):
                if not isinstance(message, Event):
                    raise LinkError(message.reason if isinstance(message, GaveUp) else "no message of a worker")
                self.emit(message)
        except LinkError as error:
            raise DeviceError(f"the worker has gone: {error}") from error
        if message.error is not None:
            raise message.error

    def produce(self, assignment: Assignment, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """An artifact or a failure for each job. Raises what makes the model unusable."""
        stream = map(carry_inputs, jobs)
        assignment = locate(assignment)
        has_fetched = False
        while chunk := list(islice(stream, LOOKAHEAD)):
            left = {job.key: job for job in chunk}
            try:
                error = yield from self.ask(assignment, left)
                if isinstance(error, ModelError) and not has_fetched:
                    self.fetch(assignment)
                    has_fetched = True
                    error = yield from self.ask(assignment, left)
            except LinkError as gone:
                self.say_without(gone)
                yield from self.make_here(assignment, chain(left.values(), stream))
                return
            if error is not None:
                raise error

    def fetch(self, assignment: Assignment) -> None:
        """Fetch the model's files, which a worker does not. Raises GenaiError."""
        from genai_cli.work.loaded_model import ModelSource

        ModelSource(assignment.spec, assignment.access, self.emit)

    def ask(self, assignment: Assignment, left: dict[str, Job]) -> Generator[Outcome, None, GenaiError | None]:
        """The outcomes of a worker, each taken from `left`; returns what makes the model unusable. Raises LinkError."""
        link = self.reach()
        self.link, self.shown = None, 0
        try:
            error = yield from self.read_outcomes(link, assignment, left)
            self.link = link
        finally:
            if self.link is None:  # whoever leaves early leaves messages in it
                link.close()
        return error

    def read_outcomes(
        self, link: Link, assignment: Assignment, left: dict[str, Job]
    ) -> Generator[Outcome, None, GenaiError | None]:
        """The outcomes that come on a connection."""
        link.send(Produce(assignment, list(left.values())))
        while True:
            message = link.receive()
            if isinstance(message, Done):
                return message.error
            if isinstance(message, Event):
                self.shown += count_shown(message)
                self.emit(message)
            elif isinstance(message, Outcome):
                self.shown = 0
                del left[message.job.key]
                yield message
            else:
                raise LinkError(message.reason if isinstance(message, GaveUp) else "no message of a worker")

    def make_here(self, assignment: Assignment, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Make the jobs in this process; of a text that was shown in part, the rest is shown."""
        from concurrent.futures import ThreadPoolExecutor

        from genai_cli.work.producer import Producer

        with ThreadPoolExecutor(1) as model_thread:
            yield from Producer(self.emit_rest, model_thread).produce(assignment, jobs)

    def emit_rest(self, event: Event) -> None:
        """Pass an event on, without the beginning of a text that was shown before."""
        if isinstance(event, TextPiece) and self.shown:
            skipped = min(self.shown, len(event.text))
            self.shown -= skipped
            event = TextPiece(event.text[skipped:])
        elif isinstance(event, SoundPiece) and self.shown:
            skipped = min(self.shown, len(event.samples))
            self.shown -= skipped
            event = SoundPiece(event.samples[skipped:], event.sampling_rate)
        self.emit(event)

    def say_without(self, error: LinkError) -> None:
        """Say that the command does the work itself."""
        if self.link is not None:
            self.link.close()
            self.link = None
        self.emit(Detail(f"without a worker: {error}"))


def locate(assignment: Assignment) -> Assignment:
    """The assignment with the model's folder as an absolute path: a worker is in another one."""
    spec = assignment.spec
    return replace(assignment, spec=replace(spec, reference=spec.reference.resolve_folder()))


def set_keep(seconds: float) -> None:
    """Have the worker, if there is one, wait for so many seconds from now on."""
    with suppress(LinkError), connect(find_address(), ANSWERING) as link:
        link.send(Hello("", seconds))
        link.receive()


def count_shown(event: Event) -> int:
    """How much of a result an event shows: characters of a text, or bytes of a sound."""
    if isinstance(event, TextPiece):
        return len(event.text)
    return len(event.samples) if isinstance(event, SoundPiece) else 0
