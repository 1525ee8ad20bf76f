"""Has a server make the jobs: so many calls at once, each in a thread, which spends its time waiting for answers."""

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import islice

from genai_cli.content.openai_answers import DATA, join_chunks, read_model, read_piece, read_said
from genai_cli.content.record import Origin
from genai_cli.errors import GenaiError, InputError, NetworkError, ResultError
from genai_cli.events import Detail, Emit, Event, Stage, TextPiece
from genai_cli.hub.access import Access
from genai_cli.hub.address import name_served
from genai_cli.hub.license import check_license
from genai_cli.hub.reference import ModelReference
from genai_cli.modality.modality import Result
from genai_cli.modality.registry import find_modality, list_modalities
from genai_cli.modality.service import Call, Service
from genai_cli.types import JsonObject
from genai_cli.work.assignment import Assignment
from genai_cli.work.engines.api_client import ApiClient, UnavailableError
from genai_cli.work.engines.server_key import ServerKey
from genai_cli.work.finishing import finish
from genai_cli.work.job import Job
from genai_cli.work.outcome import Failure, Outcome

WORKERS = 4
SHOWN_MODELS = 20
# Nothing is known of what runs there but what the server says.
PLACEMENT = {
    "device": "remote",
    "dtype": "unknown",
    "device_reason": "a server made it",
    "dtype_reason": "servers do not say",
}
HINT = "try another prompt or another seed"

Outbox = queue.SimpleQueue[Event | Outcome | BaseException]


class RemoteEngine:
    """Makes the jobs of servers' models."""

    def __init__(self, workers: int | None, key: ServerKey | None, emit: Emit) -> None:
        self.workers = workers or WORKERS
        self.key = key
        self.emit = emit

    def produce(self, assignment: Assignment, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """An artifact or a failure for each job, as the answers come.

        Raises what no other job would fare better with: NetworkError, UnavailableError. The answers to calls that are
        under way are waited for, as they may have been paid for.
        """
        server = assignment.spec.reference.server or ""
        outbox: Outbox = queue.SimpleQueue()
        stopping = threading.Event()
        stream, under_way = iter(jobs), 0
        problem: BaseException | None = None
        key = self.key.select(server) if self.key else None
        self.emit(Stage(f"waiting for {server}..."))
        try:
            with ApiClient(server, key, outbox.put, stopping) as client:
                for job in islice(stream, self.workers):
                    begin(RemoteCall(client, assignment, job, outbox))
                    under_way += 1
                while under_way:
                    message = outbox.get()
                    if isinstance(message, Event):
                        self.emit(message)
                        continue
                    if isinstance(message, BaseException):
                        problem = problem or message
                        stopping.set()
                        under_way -= 1
                        continue
                    following = None if problem else next(stream, None)
                    if following is None:
                        under_way -= 1
                    else:
                        begin(RemoteCall(client, assignment, following, outbox))
                    yield message
        finally:
            stopping.set()
        if problem is not None:
            raise problem


def begin(call: "RemoteCall") -> None:
    """Run a call in a thread. It ends with the process, which does not wait for an answer that nobody reads."""
    threading.Thread(target=call.run, name=f"call-{call.job.key}", daemon=True).start()


class RemoteCall:
    """One job on its way: what the server is asked, and what becomes of its answer."""

    def __init__(self, client: ApiClient, assignment: Assignment, job: Job, outbox: Outbox) -> None:
        self.client = client
        self.assignment = assignment
        self.job = job
        self.outbox = outbox

    def run(self) -> None:
        """Put the outcome, or what stands in the way of all jobs, into the outbox."""
        try:
            self.outbox.put(self.make())
        except (NetworkError, UnavailableError) as error:
            self.outbox.put(error)
        except GenaiError as error:
            self.outbox.put(Failure(self.job, error))
        except BaseException as error:  # a bug: raised where the outcomes are taken
            self.outbox.put(error)

    def make(self) -> Outcome:
        """The outcome. Raises GenaiError."""
        reference = self.assignment.spec.reference
        service = find_service(self.assignment.spec.task)
        call = service.make_call(self.job.request)
        started = time.perf_counter()
        answer = self.ask(service, call, {"model": reference.served, **call.body})
        seconds = time.perf_counter() - started
        self.outbox.put(Detail(f"answered in {seconds:.1f} s"))
        content = service.read(call, answer, self.outbox.put)
        named = read_model(answer) or reference.served
        result = Result(content, call.parameters, {"server": {"address": reference.server, "model": named}})
        outcome = finish(self.job, result, describe(reference), seconds, self.assignment.delivery)
        if isinstance(outcome, Failure) and isinstance(outcome.error, ResultError):
            outcome.error.hint = HINT  # its own is about a model on this machine
        return outcome

    def ask(self, service: Service, call: Call, body: JsonObject) -> JsonObject:
        """The answer; the text of a single job is emitted as it comes. Raises GenaiError."""
        if service.answers_file:
            return {DATA: self.client.post_for_file(call.path, body)}
        if service.before is None or self.assignment.hints.items != 1:
            return self.client.post(call.path, body, call.files)
        pieces: list[str] = []
        events: list[JsonObject] = []

        def take(event: JsonObject) -> None:
            events.append(event)
            self.show(service, call, pieces, read_piece(event))

        whole = self.client.stream(call.path, body, take)
        if whole is None:
            return join_chunks(events, "".join(pieces))
        self.show(service, call, pieces, read_said(whole).text)
        return whole

    def show(self, service: Service, call: Call, pieces: list[str], piece: str) -> None:
        """Emit a piece of the text, the first after what is shown before it."""
        if not pieces and service.before is not None:
            self.outbox.put(TextPiece(service.before(call)))
        pieces.append(piece)
        self.outbox.put(TextPiece(piece))


def describe(reference: ModelReference) -> Origin:
    """What a record says of a server's model: of its weights nothing is known."""
    return Origin({"id": reference.id, "revision": None, "variant": None, "license": None}, PLACEMENT, {}, ())


def find_service(task: str) -> Service:
    """How a server makes the results of a task. Raises InputError where none does."""
    service = find_modality(task).service
    if service is None:
        able = [modality.request.task for modality in list_modalities() if modality.service is not None]
        raise InputError(f"{task} does not work with a server as its model", hint=f"what works: {', '.join(able)}")
    return service


def find_served(
    reference: ModelReference, task: str, access: Access, key: ServerKey | None, emit: Emit
) -> ModelReference:
    """The reference with the name of a model; one request where the address has none.

    Raises InputError (a task of no server, several models), RefusedError, NetworkError, ModelError.
    """
    find_service(task)
    check_license(reference.id, None, access.licenses)
    server = reference.server or ""
    if reference.served is not None and not access.offline:
        return reference
    names = list_served(server, access.offline, key, emit)
    if len(names) != 1:
        shown = ", ".join(names[:SHOWN_MODELS]) + (", ..." if len(names) > SHOWN_MODELS else "")
        what = f"has {len(names)} models: {shown}" if names else "has no model"
        raise InputError(f"{server} {what}", hint=f"-m {server}#NAME" if names else None)
    return name_served(server, names[0])


def list_served(server: str, offline: bool, key: ServerKey | None, emit: Emit) -> list[str]:
    """The names of a server's models. Raises NetworkError, ModelError."""
    if offline:
        raise NetworkError(f"--offline allows no request to {server}", hint="leave --offline out")
    with ApiClient(server, key.select(server) if key else None, emit) as client:
        return client.list_models()
