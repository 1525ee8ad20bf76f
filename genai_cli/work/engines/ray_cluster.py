"""The same producers as Ray actors: one for each GPU, or several on cpu, on this machine or on a running cluster.

Jobs go out in small chunks over plain actor calls, a chunk to whichever worker is free. Ray Data's map_batches hands
out whole blocks and has no answer to an item that kills every worker that takes it; Ray's ActorPool replaces no dead
actor. This way the tail is short (chunks shrink with the jobs left), no more than one chunk for each worker waits for
the writer, and what a dead worker held is known and done again.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Self

from genai_cli import __version__
from genai_cli.errors import DeviceError
from genai_cli.events import Detail, Emit, Event, Notice
from genai_cli.modality.registry import find_modality
from genai_cli.work.assignment import Assignment
from genai_cli.work.engines.engine import Engine
from genai_cli.work.engines.ray_connection import connected
from genai_cli.work.engines.ray_worker import Greeting, Work, Worker
from genai_cli.work.job import Job, carry_inputs
from genai_cli.work.outcome import Failure, Outcome

if TYPE_CHECKING:
    from ray import ObjectRef
    from ray.actor import ActorClass, ActorHandle

MOST_DEATHS_OF_A_JOB = 3
MOST_DEATHS_IN_A_ROW = 5  # for each worker, without any work done in between
INSTALL_HINT = "install the same genai-cli[ray] on every machine of the cluster"
WAIT_SECONDS = 30  # until the user is told that no worker has started


@dataclass(frozen=True)
class Chunk:
    """Jobs that go to a worker together, and how many workers died over them."""

    jobs: tuple[Job, ...]
    deaths: int = 0


class ChunkQueue:
    """A stream of jobs as chunks; reads ahead no further than two chunks for each worker."""

    def __init__(self, jobs: Iterable[Job], size: int, workers: int) -> None:
        self.stream = iter(jobs)
        self.size = size
        self.share = 2 * workers
        self.waiting: deque[Job] = deque()
        self.returned: list[Chunk] = []

    def take(self) -> Chunk | None:
        """The next chunk, smaller towards the end so that the workers end together; None where there is no more."""
        if self.is_empty():
            return None
        if self.returned:
            return self.returned.pop()
        size = max(1, len(self.waiting) // self.share)
        return Chunk(tuple(self.waiting.popleft() for _ in range(size)))

    def is_empty(self) -> bool:
        """Whether all jobs are handed out."""
        self.waiting.extend(islice(self.stream, self.size * self.share - len(self.waiting)))
        return not (self.returned or self.waiting)

    def give_back(self, chunk: Chunk) -> list[Failure]:
        """Take back what a dead worker held, in halves, to find the job that kills; one that did often is given up."""
        deaths = chunk.deaths + 1
        if len(chunk.jobs) > 1:
            middle = len(chunk.jobs) // 2
            self.returned += [Chunk(chunk.jobs[middle:], deaths), Chunk(chunk.jobs[:middle], deaths)]
        elif deaths < MOST_DEATHS_OF_A_JOB:
            self.returned.append(Chunk(chunk.jobs, deaths))
        else:
            error = DeviceError(
                f"the worker died {deaths} times over this item", hint="out of memory? try fewer --workers"
            )
            return [Failure(job, error) for job in chunk.jobs]
        return []


class Cluster:
    """Workers as Ray actors, started when the first job comes."""

    def __init__(self, engine: Engine, emit: Emit) -> None:
        self.engine = engine
        self.emit = emit
        self.context = ExitStack()
        self.ray: Any = None  # the module, once it is imported
        self.workers = 0
        self.actor_class: ActorClass[Worker] | None = None
        self.on_gpu = False
        self.idle: list[ActorHandle[Worker]] = []
        self.busy: dict[ObjectRef[object], tuple[ActorHandle[Worker], Chunk | None]] = {}
        """A call's reference to its actor and its chunk; without a chunk, the actor is starting."""
        self.deaths = 0
        self.said: set[Event] = set()
        """Notices, each of which is said once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def produce(self, assignment: Assignment, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """An outcome for each job, as they are done. Raises what makes the model or the workers unusable."""
        jobs = map(carry_inputs, jobs)
        first = next(jobs, None)
        if first is None:
            return
        spec = assignment.spec
        self.start(spec.placing.device)
        assignment = replace(assignment, spec=replace(spec, reference=spec.reference.resolve_folder()))
        size = find_modality(spec.task).chunk_sizes[self.on_gpu]
        queue = ChunkQueue(chain([first], jobs), size, self.workers)
        try:
            while not queue.is_empty() or self.is_working():
                self.hand_out(assignment, queue)
                done = self.next_work(queue)
                self.hand_out(assignment, queue)  # the workers go on while this one's results are written
                yield from done.outcomes
                if done.error:
                    raise done.error
        finally:
            self.forget()

    def start(self, device: str) -> None:
        """Connect and start the workers, once. Raises DeviceError."""
        if self.ray is not None:
            return
        address, asked = self.engine.ray_address, self.engine.workers
        self.ray = self.context.enter_context(connected(address, asked))
        there = self.ray.cluster_resources()
        gpus, cpus = int(there.get("GPU", 0)), int(there.get("CPU", 0))
        on_gpu = device == "cuda" or (device == "auto" and gpus > 0)
        if on_gpu and (gpus < (asked or 1) if address is None else not (gpus or asked)):
            raise DeviceError(
                f"{asked or 1} workers on cuda need a GPU each and Ray has {gpus}",
                hint="--device cpu, or fewer --workers",
            )
        self.workers = asked or (gpus if on_gpu else max(1, cpus // 2))
        self.on_gpu = on_gpu
        self.emit(Detail(f"Ray with {self.workers} workers, a {'GPU' if on_gpu else 'CPU'} each"))
        needs = {"num_cpus": 1, "num_gpus": int(self.on_gpu), "scheduling_strategy": "SPREAD"}
        self.actor_class = self.ray.remote(**needs)(Worker)
        for _ in range(self.workers):
            self.engage()

    def engage(self) -> None:
        """Start a worker; it is given work once it has said which genai it runs."""
        if self.actor_class is None:
            raise ValueError("the cluster is not started")
        actor = self.actor_class.remote(single_thread=not self.on_gpu)
        self.busy[actor.greet.remote()] = (actor, None)

    def is_working(self) -> bool:
        """Whether a worker has a chunk."""
        return any(chunk for _, chunk in self.busy.values())

    def hand_out(self, assignment: Assignment, queue: ChunkQueue) -> None:
        """Give each free worker a chunk."""
        while self.idle and (chunk := queue.take()):
            actor = self.idle.pop()
            self.busy[actor.produce.remote(assignment, chunk.jobs)] = (actor, chunk)

    def next_work(self, queue: ChunkQueue) -> Work:
        """Wait for a worker that has ended a chunk, or has started, or died."""
        ready, _ = self.ray.wait(list(self.busy), timeout=WAIT_SECONDS)
        if not ready:
            if not self.idle and not self.is_working():
                self.say(Notice("waiting for Ray to have room for a worker"))
            return Work()
        actor, chunk = self.busy.pop(ready[0])
        try:
            answer: Greeting | Work = self.ray.get(ready[0])
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self.ray.exceptions.RayError as error:
            return self.replace_dead(actor, chunk, str(error), queue)
        self.idle.append(actor)
        if isinstance(answer, Greeting):
            check_version(answer)
            return Work()
        self.deaths = 0
        for event in answer.events:
            self.say(event)
        return answer

    def replace_dead(self, actor: "ActorHandle[Worker]", chunk: Chunk | None, reason: str, queue: ChunkQueue) -> Work:
        """Start another worker and take back what the dead one held. Raises DeviceError where they all die."""
        self.ray.kill(actor)
        self.deaths += 1
        if missing := re.search(r"No module named '[^']+'", reason):
            raise DeviceError(f"a worker cannot start: {missing[0]}", hint=INSTALL_HINT)
        if self.deaths > MOST_DEATHS_IN_A_ROW * self.workers:
            raise DeviceError("the workers die again and again", hint="out of memory? try fewer --workers")
        self.say(Notice("a worker died and is replaced; what it was making is made again"))
        self.emit(Detail(f"a worker died: {reason.strip().splitlines()[-1]}"))
        self.engage()
        return Work(queue.give_back(chunk) if chunk else ())

    def say(self, event: Event) -> None:
        """Pass an event on; what each worker notices is said once."""
        if event in self.said:
            return
        if isinstance(event, Notice):
            self.said.add(event)
        self.emit(event)

    def forget(self) -> None:
        """Leave what is unfinished, on an error or where no more is wanted; the workers are free when they end it."""
        for call, (actor, chunk) in list(self.busy.items()):
            if chunk:
                del self.busy[call]
                self.idle.append(actor)


def check_version(greeting: Greeting) -> None:
    """Raise DeviceError for a worker that runs another genai, whose results could differ."""
    if greeting.version != __version__:
        raise DeviceError(
            f"{greeting.host} runs genai {greeting.version} and this is {__version__}",
            hint=INSTALL_HINT,
        )
