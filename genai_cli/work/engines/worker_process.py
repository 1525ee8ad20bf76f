"""The process that keeps models loaded: it listens on a socket, makes the jobs of commands, and ends when idle.

Each command has a thread, each model another one. A model makes one group after another: of one command, or of several
whose items go together, so that a long batch and a single prompt take turns. Nothing is written or printed here.
"""

import contextlib
import fcntl
import os
import queue
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from genai_cli import __version__
from genai_cli.device.environment import prepare_environment
from genai_cli.errors import GenaiError
from genai_cli.events import Emit, Event
from genai_cli.hub.access import Access
from genai_cli.request.request import Request
from genai_cli.work.assignment import Assignment
from genai_cli.work.engines.link import (
    AskStatus,
    AskStop,
    Done,
    GaveUp,
    Hello,
    KeptModel,
    Link,
    LinkError,
    Load,
    Produce,
    Status,
    Welcome,
    take_fingerprint,
)
from genai_cli.work.job import Job
from genai_cli.work.joining import Call
from genai_cli.work.loaded_model import LoadedModel, ModelSource
from genai_cli.work.outcome import Failure, Outcome, note_cause
from genai_cli.work.producer import Producer, Run
from genai_cli.work.shelf import Place, Shelf

WAITING = 128  # connections that may wait to be accepted
TICK = 0.25  # seconds between looks at the clock and at the memory
LISTENING = 0.05  # seconds between looks whether a command is still there
FIRST_KEEP = 60.0  # seconds that a worker waits for its first command


class Stopped(BaseException):
    """The command of a job has gone; passes through `except Exception`, as an interrupt does."""


class SharedProducer(Producer):
    """A producer whose model is kept for other commands, too."""

    def __init__(self, shelf: Shelf, place: Place, emit: Emit, model_thread: Executor) -> None:
        super().__init__(emit, model_thread)
        self.shelf = shelf
        self.place = place

    def open_source(self, assignment: Assignment) -> ModelSource:
        return self.shelf.open_source(self.place, assignment.access, self.emit)

    def load(self, assignment: Assignment, source: ModelSource) -> LoadedModel:
        return self.shelf.load(self.place, source, assignment.hints, self.emit)

    def generate(self, loaded: LoadedModel, requests: Sequence[Request], emit: Emit) -> Run:
        joins = self.assignment is not None and self.assignment.hints.joins
        return self.place.joiner.generate(loaded, Call(requests, emit, self.most, joins))

    def free_others(self) -> bool:
        return self.shelf.free_others(self.emit)


class Session:
    """One command's connection, served in a thread of its own."""

    def __init__(self, worker: "Worker", link: Link) -> None:
        self.worker = worker
        self.link = link
        self.outbox: queue.SimpleQueue[Event | Outcome | Done | GaveUp] = queue.SimpleQueue()
        self.stopped = False
        self.taken = threading.Semaphore(0)
        """Released for each outcome that was sent: none is made before the one before it has gone."""

    def run(self) -> None:
        """Serve the command until it hangs up."""
        with contextlib.suppress(LinkError), self.link:
            hello = self.link.receive()
            if isinstance(hello, Hello) and self.worker.greet(hello, self.link):
                while True:
                    self.answer(self.link.receive())
        self.worker.leave(self)

    def answer(self, message: object) -> None:
        """Do what a message asks for."""
        if isinstance(message, Produce):
            self.produce(message.assignment, message.jobs)
        elif isinstance(message, Load):
            self.load(message.assignment)
        elif isinstance(message, AskStatus):
            self.link.send(self.worker.describe())
        elif isinstance(message, AskStop):
            self.worker.stop()
            self.worker.is_closed.wait()
            self.link.send(Done())
            raise LinkError("the worker ends")

    def produce(self, assignment: Assignment, jobs: Sequence[Job]) -> None:
        """Make the jobs on the model's thread, and send what comes of them as it comes. Raises LinkError."""
        with self.open_producer(assignment) as (producer, offline):
            self.pass_on(producer.produce(offline, jobs))

    def load(self, assignment: Assignment) -> None:
        """Load a model and keep it."""
        with self.open_producer(assignment) as (producer, offline):

            def load() -> Iterator[Outcome]:
                producer.load(offline, producer.open_source(offline))
                yield from ()

            self.pass_on(load())

    @contextlib.contextmanager
    def open_producer(self, assignment: Assignment) -> Iterator[tuple[SharedProducer, Assignment]]:
        """What makes jobs with a kept model, and the assignment without a network, which a worker never uses."""
        offline = replace(assignment, access=Access(True, assignment.access.licenses))
        with self.worker.shelf.use(assignment.spec) as place, ThreadPoolExecutor(1) as ahead:
            yield SharedProducer(self.worker.shelf, place, self.emit, ahead), offline

    def pass_on(self, outcomes: Iterator[Outcome]) -> None:
        """Send what comes of the work as it comes. Raises LinkError, and ends the work, where the command has gone."""
        making = threading.Thread(target=self.make, args=(outcomes,), daemon=True)
        making.start()
        try:
            while True:
                try:
                    message = self.outbox.get(timeout=LISTENING)
                except queue.Empty:
                    self.listen()
                    continue
                self.link.send(message)
                if isinstance(message, Done | GaveUp):
                    return
                if not isinstance(message, Event):
                    self.taken.release()
        except LinkError:
            self.stopped = True
            self.taken.release()
            raise
        finally:
            making.join()

    def listen(self) -> None:
        """Raise LinkError where the command has hung up."""
        if select.select([self.link.socket], [], [], 0)[0]:
            raise LinkError("the command has gone")

    def make(self, outcomes: Iterator[Outcome]) -> None:
        """In a thread of its own: make all, each when the one before it has gone to the command."""
        try:
            for outcome in outcomes:
                if isinstance(outcome, Failure):
                    note_cause(outcome.error)
                self.outbox.put(outcome)
                self.taken.acquire()
                if self.stopped:
                    return
            self.outbox.put(Done())
        except Stopped:
            return
        except GenaiError as error:
            note_cause(error)
            self.outbox.put(Done(error))
        except BaseException as error:  # a bug: the command meets it again, in its own process, and says so
            self.outbox.put(GaveUp(f"{type(error).__name__}: {error}"))

    def emit(self, event: Event) -> None:
        """Pass an event on; where the command has gone, the model stops at this step."""
        if self.stopped:
            raise Stopped
        self.outbox.put(event)


class Worker:
    """The listening process."""

    def __init__(self, address: Path) -> None:
        self.address = address
        self.shelf = Shelf()
        self.fingerprint = take_fingerprint()
        self.started = self.last_used = time.time()
        self.keep = FIRST_KEEP
        self.sessions: set[Session] = set()
        self.lock = threading.Lock()
        self.commands = 0
        self.is_ending = False
        self.is_closed = threading.Event()
        """Set when it listens no more."""

    def run(self) -> None:
        """Accept commands until nothing has come for as long as they asked for."""
        with contextlib.suppress(FileNotFoundError):
            self.address.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(os.fspath(self.address))
        listener.listen(WAITING)
        listener.settimeout(TICK)
        while not self.has_ended():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                self.shelf.heed_pressure()
                continue
            self.begin(connection)
        self.close(listener)

    def begin(self, connection: socket.socket) -> None:
        """Serve a connection."""
        connection.settimeout(None)
        try:
            session = Session(self, Link(connection))
        except LinkError:
            return
        with self.lock:
            self.sessions.add(session)
        threading.Thread(target=session.run, daemon=True).start()

    def close(self, listener: socket.socket) -> None:
        """Listen no more: another worker may take the place. Commands that had come are served."""
        with contextlib.suppress(FileNotFoundError):
            self.address.unlink()
        listener.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.begin(listener.accept()[0])
        listener.close()
        self.is_closed.set()

    def has_ended(self) -> bool:
        """Whether it is time to end."""
        with self.lock:
            return self.is_ending or (not self.sessions and time.time() > self.last_used + self.keep)

    def greet(self, hello: Hello, link: Link) -> bool:
        """Answer a command; one of another genai is not served, and ends this worker."""
        serves = not hello.fingerprint or (hello.fingerprint == self.fingerprint and not self.is_ending)
        if not serves:
            self.stop()
        with self.lock:
            if hello.keep:
                self.keep = hello.keep
                self.commands += 1
        link.send(Welcome(os.getpid(), __version__, serves))
        return serves

    def leave(self, session: Session) -> None:
        """A command has ended."""
        with self.lock:
            self.sessions.discard(session)
            self.last_used = time.time()

    def stop(self) -> None:
        """End when what is being made is made."""
        self.is_ending = True

    def describe(self) -> Status:
        """What is held."""
        import psutil

        with self.shelf.lock:
            models = tuple(
                KeptModel(
                    place.spec.task,
                    place.spec.reference.id,
                    place.loaded.device,
                    place.loaded.dtype,
                    place.since,
                    place.last_used,
                    place.users > 0,
                )
                for place in self.shelf.places.values()
                if place.loaded is not None
            )
        memory = int(psutil.Process().memory_info().rss)
        ends = self.last_used + self.keep
        return Status(os.getpid(), __version__, self.started, ends, memory, self.commands, models)


def main(address: Path) -> None:
    """Be the worker at an address, where there is none yet."""
    os.umask(0o077)
    with address.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # another process is the worker
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        worker = Worker(address)
        signal.signal(signal.SIGTERM, lambda *_: worker.stop())
        worker.run()
    while worker.sessions:  # another worker may have the place now
        time.sleep(LISTENING)
    os._exit(0)  # threads of models may still run


if __name__ == "__main__":
    prepare_environment()
    main(Path(sys.argv[1]))
