"""One request of OpenAI's API from its body to the body of its answer, made by the worker that keeps models loaded."""

import base64
import os
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from genai_cli.content.openai_answers import DATA, URL
from genai_cli.device.spec import Placing
from genai_cli.errors import GenaiError, InputError, ModelError, OutputError
from genai_cli.events import Emit, ignore
from genai_cli.hub.access import Access
from genai_cli.hub.address import is_address
from genai_cli.modality.registry import list_endpoints, list_requests
from genai_cli.request.openai_rows import Answer, Endpoint
from genai_cli.request.rows import Row
from genai_cli.server.kept_files import KeptFiles
from genai_cli.server.live_gallery import LiveGallery
from genai_cli.server.metrics import Spent
from genai_cli.server.pages import FILES
from genai_cli.types import JsonObject
from genai_cli.work.assignment import Assignment, Hints
from genai_cli.work.engines.engine import Engine
from genai_cli.work.engines.link import Hello, LinkError, Welcome, connect, find_address
from genai_cli.work.engines.opening import open_engine
from genai_cli.work.job import Job, expand
from genai_cli.work.orders import Defaults, make_orders
from genai_cli.work.outcome import Failure, Outcome
from genai_cli.work.runner import Finished, look_up_one, make_spec

ANSWERING = 1.0  # seconds that a worker has to say which process it is


class BusyError(GenaiError):
    """The queue is full."""


@dataclass
class Queue:
    """How many requests may be made at once, and how many may wait for that."""

    running: int
    waiting: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    present: int = 0

    def __post_init__(self) -> None:
        self.turns = threading.Semaphore(self.running)

    @contextmanager
    def enter(self) -> Iterator[float]:
        """Wait for a turn: the seconds that took. Raises BusyError where too many wait already."""
        started = time.monotonic()
        with self.lock:
            if self.present >= self.running + self.waiting:
                raise BusyError("too many requests are waiting", hint="try again later")
            self.present += 1
        try:
            with self.turns:
                yield time.monotonic() - started
        finally:
            with self.lock:
                self.present -= 1


@dataclass(frozen=True)
class Served:
    """What is served: the models by the names that requests may use, and how they are run."""

    models: tuple[str, ...]
    any_model: bool
    access: Access
    placing: Placing
    keep: float
    queue: Queue
    files: KeptFiles | None = None
    """Where files are kept whose addresses answers hold; None: answers hold the files themselves."""
    gallery: LiveGallery | None = None
    """The folder that is shown as a page."""

    def choose_model(self, asked: object) -> str:
        """The model of a request. Raises ModelError for one that is not served, InputError where none is named."""
        if asked is None and len(self.models) == 1:
            return self.models[0]
        if not isinstance(asked, str) or not asked.strip():
            raise InputError("the field 'model' must name a model", hint=f"one of {', '.join(self.models)}")
        if is_address(asked) or (not self.any_model and asked not in self.models):
            raise ModelError(f"the model {asked!r} is not served here", hint=f"one of {', '.join(self.models)}")
        return asked


@dataclass(frozen=True)
class Work:
    """What a request asks for: its endpoint, and its jobs for one loaded model."""

    endpoint: Endpoint
    assignment: Assignment
    jobs: Sequence[Job]
    links: bool = False
    """Whether the answer holds the addresses of files in their place."""
    shape: str | None = None
    """The form of the answer, where the endpoint has several."""


def plan(served: Served, url: str, body: JsonObject) -> Work:
    """What is to be made for a body. Raises GenaiError for a body that cannot be honoured."""
    endpoint = list_endpoints()[url][1]
    links = read_packing(endpoint, body.get("response_format"), served.files is not None) == URL
    shape = read_shape(endpoint, body.get("response_format"))
    model = served.choose_model(body.get("model"))
    row = Row({"url": url, "body": {**body, "model": model}})
    orders = make_orders(row, Defaults(list_requests(), {"model": model}))
    if sum(order.number for order in orders) > endpoint.most:
        raise InputError(f"n and the prompts ask for more than {endpoint.most} results")
    changes: JsonObject = dict(endpoint.served)
    orders = [replace(order, request=replace(order.request, **changes)) for order in orders]
    needs = orders[0].request.needs()
    references = look_up_one(needs, served.access, ignore)
    jobs = list(expand(orders, references, secrets.randbits(32)))
    spec = make_spec(needs, references, served.placing)
    assignment = Assignment(spec, served.access, hints=Hints(len(jobs), joins=True))
    return Work(endpoint, assignment, name_apart(jobs), links, shape)


def read_shape(endpoint: Endpoint, asked: object) -> str | None:
    """The form that an answer takes. Raises InputError for one that there is not."""
    if not endpoint.shapes or asked is None:
        return endpoint.first_format
    known = (*endpoint.shapes, *endpoint.flows)
    if not isinstance(asked, str) or asked not in known:
        raise InputError(f"response_format must be one of {', '.join(known)}, not {asked!r}")
    return str(asked)


def read_packing(endpoint: Endpoint, asked: object, keeps_files: bool) -> str | None:
    """How an answer holds its files. Raises InputError for a way that it cannot."""
    if not endpoint.packings or asked is None:
        return next(iter(endpoint.packings), None)
    allowed = endpoint.packings if keeps_files else endpoint.packings[:1]
    if asked not in allowed:
        what = f"response_format must be {' or '.join(allowed)}, not {asked!r}"
        if asked == URL:
            raise InputError(f"{what}: this server keeps no files", hint="genai serve --keep-files FOLDER keeps them")
        raise InputError(what, hint="leave it out")
    return str(asked)


def name_apart(jobs: Sequence[Job]) -> list[Job]:
    """The jobs with keys of this request alone: two requests that are alike are two."""
    token = secrets.token_hex(4)
    return [replace(job, key=f"{job.key}{token}", id=f"{job.id}{token}") for job in jobs]


def make(served: Served, work: Work, base: str, spent: Spent, emit: Emit) -> Answer:
    """The body of the answer, when all is made; addresses of files in it begin with `base`. Raises GenaiError.

    `spent` is told what each result took.
    """
    outcomes: dict[str, Outcome] = {}
    with open_engine(Engine(), served.keep, emit) as produce:
        for outcome in produce(work.assignment, work.jobs):
            if isinstance(outcome, Failure):
                raise outcome.error
            spent.results += 1
            spent.model += float(outcome.record["seconds"]["generate"])
            outcomes[outcome.job.key] = outcome
    files = served.files if work.links else None
    answer = work.endpoint.shapes.get(work.shape or "", work.endpoint.answer)
    return answer([describe(outcomes[job.key], files, base) for job in work.jobs])


def describe(outcome: Outcome, files: KeptFiles | None, base: str) -> JsonObject:
    """A result as an answer reads it: its record, and the bytes or the address of its file. Raises GenaiError."""
    if isinstance(outcome, Failure):
        raise outcome.error
    record = dict(Finished(outcome.job, "done", outcome.record).line())
    if files is None:
        return {**record, DATA: base64.b64encode(outcome.data).decode()}
    try:
        path = files.keep(outcome.data, outcome.suffix)
    except OSError as error:
        raise OutputError(f"the file cannot be kept: {error.strerror or 'an error of the system'}") from None
    return {**record, URL: f"{base}{FILES.lstrip('/')}{path.name}"}


def measure_memory() -> dict[str, int]:
    """The memory of the server and of its worker, in bytes; a worker that does not run has none."""
    import psutil

    found = {"server": os.getpid()}
    with suppress(LinkError), connect(find_address(), ANSWERING) as link:
        link.send(Hello(""))
        answer = link.receive()
        if isinstance(answer, Welcome):
            found["worker"] = answer.process
    sizes = {}
    for name, process in found.items():
        with suppress(psutil.Error):
            sizes[name] = int(psutil.Process(process).memory_info().rss)
    return sizes


def list_served(served: Served) -> JsonObject:
    """The models as /v1/models lists them."""
    models = [{"id": name, "object": "model", "created": 0, "owned_by": "genai"} for name in served.models]
    return {"object": "list", "data": models}
