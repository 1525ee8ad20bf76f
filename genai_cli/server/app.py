"""The OpenAI API over HTTP: each address reads a body, hands the work to a thread, and answers.

https://platform.openai.com/docs/api-reference
"""

import queue
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.content.record import from_json
from genai_cli.content.transcript import Transcript
from genai_cli.errors import GenaiError, InputError
from genai_cli.events import Event, SoundPiece, TextPiece
from genai_cli.modality.registry import list_endpoints
from genai_cli.request.input import HEAD, tell_media_type
from genai_cli.request.openai_rows import Answer, SentFile
from genai_cli.server.answering import Served, Work, list_served, make, measure_memory, plan
from genai_cli.server.failures import SlowError, answer_error, explain
from genai_cli.server.forms import is_form, read_form
from genai_cli.server.guard import MOST_BYTES, Guard, Rules
from genai_cli.server.listening import Patience
from genai_cli.server.metrics import Metrics, Spent
from genai_cli.server.pages import list_pages
from genai_cli.server.schema import build_schema
from genai_cli.server.streaming import Chunks, Samples
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from anyio import CapacityLimiter
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

GONE = 499  # as nginx has it: the client went before the answer was there
LOOKING = 0.25  # seconds between looks whether a client is still there


class GoneError(Exception):
    """The client has gone; its job stops at the next step."""


def build_app(served: Served, rules: Rules, patience: Patience) -> "Starlette":
    """The application."""
    from anyio import CapacityLimiter
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.routing import Route

    limiter = CapacityLimiter(served.queue.running + served.queue.waiting + 1)
    pages = list_pages(served.files is not None, served.gallery is not None)
    description = build_schema(pages, has_key=rules.key is not None, keeps_files=served.files is not None)
    server = Server(served, patience, limiter, description)
    routes = [Route(url, partial(server.post, url), methods=["POST"]) for url in list_endpoints()]
    routes += [Route(page.path.replace("}", ":path}"), getattr(server, page.method)) for page in pages]
    errors = {404: server.unknown, 405: server.unknown, GenaiError: server.refuse, Exception: server.fail}
    return Starlette(routes=routes, middleware=[Middleware(Guard, rules=rules)], exception_handlers=errors)


class Server:
    """What answers each address."""

    def __init__(self, served: Served, patience: Patience, limiter: "CapacityLimiter", description: JsonObject) -> None:
        self.served = served
        self.patience = patience
        self.limiter = limiter
        self.description = description
        self.metrics = Metrics()

    async def models(self, _request: "Request") -> "Response":
        """The models that are served."""
        from starlette.responses import JSONResponse

        return JSONResponse(list_served(self.served))

    async def model(self, request: "Request") -> "Response":
        """One of the models."""
        from starlette.responses import JSONResponse

        name = request.path_params["name"]
        found = next((model for model in list_served(self.served)["data"] if model["id"] == name), None)
        return JSONResponse(found) if found else answer_error(404, f"the model {name!r} is not served here")

    async def health(self, _request: "Request") -> "Response":
        """That the server listens."""
        from starlette.responses import JSONResponse

        return JSONResponse({"status": "ok"})

    async def metrics_text(self, _request: "Request") -> "Response":
        """The counts."""
        from anyio import to_thread
        from starlette.responses import PlainTextResponse

        memory = await to_thread.run_sync(measure_memory)
        return PlainTextResponse(self.metrics.show(self.served.queue.present, memory))

    async def schema(self, _request: "Request") -> "Response":
        """What all addresses take and answer."""
        from starlette.responses import JSONResponse

        return JSONResponse(self.description)

    async def file(self, request: "Request") -> "Response":
        """A file that an answer named."""
        from anyio import to_thread
        from starlette.responses import Response

        files = self.served.files
        data = await to_thread.run_sync(files.read, request.path_params["name"]) if files else None
        if data is None:
            return answer_error(404, "there is no such file, or no longer")
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"}
        return Response(data, media_type=tell_media_type(data[:HEAD]), headers=headers)

    async def gallery_page(self, request: "Request") -> "Response":
        """The page of the folder that is shown."""
        from anyio import to_thread
        from starlette.responses import Response

        if self.served.gallery is None:
            return answer_error(404, "no gallery is shown")
        shown = await to_thread.run_sync(self.served.gallery.show)
        headers = {"ETag": shown.tag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
        if request.headers.get("if-none-match") == shown.tag:
            return Response(status_code=304, headers=headers)
        return Response(shown.html, media_type="text/html; charset=utf-8", headers=headers)

    async def gallery_file(self, request: "Request") -> "Response":
        """A picture, a sound or a text of that page; a sound may be asked for in parts."""
        from anyio import to_thread
        from starlette.responses import FileResponse

        gallery = self.served.gallery
        file = await to_thread.run_sync(gallery.find, request.path_params["name"]) if gallery else None
        told = await to_thread.run_sync(read_type, file) if file else None
        if file is None or told is None:
            return answer_error(404, "there is no such file on the page")
        media_type = "text/plain; charset=utf-8" if file.suffix.lower() in Transcript.suffixes else told
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return FileResponse(file, media_type=media_type, headers=headers | {"Cache-Control": "no-cache"})

    async def unknown(self, request: "Request", _error: Exception) -> "Response":
        """An address that there is not."""
        return answer_error(404, f"there is no {request.method} {request.url.path}")

    async def refuse(self, _request: "Request", error: GenaiError) -> "Response":
        """What a page cannot show, such as a folder that is not there."""
        return explain(error)

    async def fail(self, _request: "Request", error: Exception) -> "Response":
        """A bug: it costs one request, and is raised again for whoever keeps the server."""
        return explain(describe_bug(error))

    async def post(self, url: str, request: "Request") -> "Response":
        """A request for results."""
        from anyio import to_thread

        started, spent = time.monotonic(), Spent()
        try:
            body = await read_body(request, self.patience)
            chunks = read_stream(body, url)
            work = await to_thread.run_sync(plan, self.served, url, body, limiter=self.limiter)
            pieces = choose_pieces(chunks, work)
            if pieces is not None:
                return await self.stream(work, pieces, spent, partial(self.count, url, started))
            answer = await self.watch(request, work, spent)
        except GenaiError as error:
            response = explain(error)
            self.count(url, started, response.status_code, spent)
            return response
        except GoneError:
            self.count(url, started, GONE, spent)
            return answer_error(GONE, "the client has gone")
        self.count(url, started, 200, spent, answer if isinstance(answer, dict) else None)
        return send_whole(answer)

    def count(self, url: str, started: float, status: int, spent: Spent, answer: JsonObject | None = None) -> None:
        """Count a request that has ended."""
        self.metrics.count(url, status, time.monotonic() - started, spent, answer)

    async def watch(self, request: "Request", work: Work, spent: Spent) -> Answer:
        """The answer, unless the client goes before it is there. Raises GenaiError, GoneError."""
        import anyio

        running = Running(self.served, work, spent, str(request.base_url))

        async def look() -> None:
            while not running.ended.is_set():
                if await request.is_disconnected():
                    running.cancel()
                await anyio.sleep(LOOKING)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            await anyio.to_thread.run_sync(running.run, limiter=self.limiter)
            tasks.cancel_scope.cancel()
        if running.error is not None:
            raise running.error
        return running.answer or {}

    async def stream(
        self, work: Work, chunks: Chunks | Samples, spent: Spent, count: "Callable[..., None]"
    ) -> "Response":
        """The answer in pieces. What goes wrong before the first of them is an error of its own. Raises GenaiError."""
        from anyio import to_thread
        from starlette.responses import StreamingResponse

        running = Running(self.served, work, spent)
        threading.Thread(target=running.run, daemon=True).start()
        first = await to_thread.run_sync(running.pieces.get, limiter=self.limiter)
        if first is None and running.error is not None:
            raise running.error

        async def send() -> AsyncIterator[bytes]:
            piece, status = first, GONE
            try:
                while piece is not None:
                    yield chunks.show_piece(piece)
                    piece = await to_thread.run_sync(running.pieces.get, limiter=self.limiter)
                if running.error is not None:
                    yield chunks.show_error(running.error)
                elif running.answer is not None:
                    status = 200
                    for data in chunks.show_end(running.answer):
                        yield data
            finally:
                running.cancel()
                count(status, spent, running.answer if isinstance(running.answer, dict) else None)

        return StreamingResponse(send(), media_type=chunks.media_type, headers={"Cache-Control": "no-store"})


class Running:
    """A request that is being made in a thread."""

    def __init__(self, served: Served, work: Work, spent: Spent, base: str = "") -> None:
        self.served = served
        self.work = work
        self.spent = spent
        self.base = base
        self.pieces: queue.SimpleQueue[TextPiece | SoundPiece | None] = queue.SimpleQueue()
        """The text or the sound as it comes; None ends it."""
        self.gone = threading.Event()
        self.ended = threading.Event()
        self.answer: Answer | None = None
        self.error: GenaiError | GoneError | None = None

    def run(self) -> None:
        """Make all of it."""
        try:
            with self.served.queue.enter() as self.spent.queue:
                self.answer = make(self.served, self.work, self.base, self.spent, self.emit)
        except (GenaiError, GoneError) as error:
            self.error = error
        except Exception as error:  # a bug costs one request, and the server goes on
            self.error = describe_bug(error)
        finally:
            self.ended.set()
            self.pieces.put(None)

    def emit(self, event: Event) -> None:
        """Take what the model says. Raises GoneError where nobody waits for it."""
        if self.gone.is_set():
            raise GoneError
        if isinstance(event, TextPiece | SoundPiece):
            self.pieces.put(event)

    def cancel(self) -> None:
        """Nobody waits for the rest."""
        self.gone.set()


def choose_pieces(chunks: Chunks | None, work: Work) -> Chunks | Samples | None:
    """What sends an answer in pieces; None for one that is sent whole."""
    if chunks is not None:
        chunks.model = work.assignment.spec.reference.id
        return chunks
    rate = work.endpoint.flows.get(work.shape) if work.shape else None
    return Samples(rate) if rate else None


def send_whole(answer: Answer) -> "Response":
    """An answer that is there: JSON, a text or a file."""
    from starlette.responses import JSONResponse, PlainTextResponse, Response

    if isinstance(answer, SentFile):
        return Response(answer.data, media_type=answer.media_type, headers={"X-Content-Type-Options": "nosniff"})
    return PlainTextResponse(answer) if isinstance(answer, str) else JSONResponse(answer)


def read_type(file: Path) -> str | None:
    """What a file is, by its first bytes; None where it is gone, or cannot be read."""
    try:
        with file.open("rb") as stream:
            return tell_media_type(stream.read(HEAD))
    except OSError:
        return None


def describe_bug(error: Exception) -> GenaiError:
    """What a client is told of a bug: nothing of its message, which may hold a path."""
    return GenaiError(f"an error of the server: {type(error).__name__}")


async def read_body(request: "Request", patience: Patience) -> JsonObject:
    """The body as an object. Raises InputError for one that is too long, or none, SlowError and GoneError."""
    from anyio import current_time, move_on_after
    from starlette.requests import ClientDisconnect

    data, started = bytearray(), current_time()
    with move_on_after(patience.body) as scope:
        try:
            async for part in request.stream():
                data += part
                if len(data) > MOST_BYTES:
                    raise InputError(f"a body has at most {MOST_BYTES} bytes")
                scope.deadline = started + patience.body + len(data) / patience.rate
        except ClientDisconnect:
            raise GoneError from None
    if scope.cancelled_caught:
        raise SlowError("the body takes too long")
    if is_form(request.headers):
        return await read_form(request.headers, bytes(data))
    try:
        body = from_json(bytes(data))
    except ValueError:
        raise InputError("the body is not JSON") from None
    if not isinstance(body, dict):
        raise InputError("the body is not a JSON object")
    return body


def read_stream(body: JsonObject, url: str) -> Chunks | None:
    """How the answer is sent in pieces, where the body asks for that, which is taken out of it. Raises InputError."""
    asked, options = body.pop("stream", None), body.pop("stream_options", None)
    if asked not in (None, True, False):
        raise InputError("the field 'stream' must be true or false")
    if not asked:
        return None
    endpoint = list_endpoints()[url][1]
    if not endpoint.streams:
        raise InputError("the field 'stream' cannot be honoured: only texts come in pieces", hint="leave it out")
    if body.get("n") not in (None, 1) or isinstance(body.get("prompt"), list):
        raise InputError("one text at a time can be streamed", hint="leave 'n' out, and give one prompt")
    with_usage = isinstance(options, dict) and options.get("include_usage") is True
    return Chunks("messages" in endpoint.takes, with_usage)
