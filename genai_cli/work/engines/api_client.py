"""Calls of a server that speaks OpenAI's API: bounded in bytes and time, repeated where that may help.

https://platform.openai.com/docs/api-reference
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from threading import Event
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from genai_cli import __version__
from genai_cli.content.openai_answers import not_an_answer
from genai_cli.content.record import from_json
from genai_cli.errors import GenaiError, InputError, ModelError, NetworkError
from genai_cli.events import Detail, Emit, Notice
from genai_cli.hub.client import LONGEST_WAIT, read_wait
from genai_cli.hub.private import find_http_library
from genai_cli.request.input import Input
from genai_cli.types import JsonObject
from genai_cli.work.engines.server_key import VARIABLE, hide

if TYPE_CHECKING:
    from httpx2 import Response

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 600.0  # without a byte: a long text that is not streamed comes at once, at its end
FIRST_WAIT = 0.5  # seconds before the first repetition; each further wait is twice as long
MOST_BYTES = 256_000_000  # of an answer
MOST_LINE_BYTES = 4_000_000  # of one event of a stream
MOST_ERROR_BYTES = 65_536
LONGEST_MESSAGE = 300  # characters of a server's own words in an error
TOO_MANY = 429
OVERLOADED = (TOO_MANY, 502, 503, 504)  # another item fares no better now
KEY_HINT = f"{VARIABLE} or --api-key-file holds the key; it goes to the server that -m names"
STREAM = "text/event-stream"
DATA, END = b"data:", b"[DONE]"

Taken = TypeVar("Taken")


def make_form(body: JsonObject, files: Mapping[str, Input], opened: ExitStack) -> JsonObject:
    """A form as the HTTP library takes it: fields as texts, and files that are read as they are sent."""
    fields = {name: value if isinstance(value, list) else str(value) for name, value in body.items()}
    parts = {name: (file.name, opened.enter_context(file.open()), file.media_type) for name, file in files.items()}
    return {"data": fields, "files": parts}


class UnavailableError(ModelError):
    """The server takes no call for this model: another item fares no better."""


class RepeatableError(Exception):
    """A call that may succeed when it is repeated; `wait` is what the server asks for, in seconds."""

    def __init__(self, error: GenaiError, wait: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait = wait


class ApiClient:
    """Calls one server, from several threads; no redirect is followed, so that key and prompts stay with it."""

    def __init__(self, address: str, key: str | None, emit: Emit, stopping: Event | None = None) -> None:
        self.http: Any = find_http_library()
        self.address = address
        self.key = key
        self.emit = emit
        self.stopping = stopping or Event()
        """Set where nobody waits for answers any more."""
        headers = {"user-agent": f"genai/{__version__}", "accept-encoding": "identity"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        timeout = self.http.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, pool=None)
        limits = self.http.Limits(max_connections=None)
        self.client = self.http.Client(headers=headers, timeout=timeout, limits=limits, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def list_models(self) -> list[str]:
        """The names of the server's models. Raises NetworkError, ModelError."""
        answer = self.call("GET", "models", None, self.read_object)
        listed = answer.get("data")
        if not isinstance(listed, list):
            raise not_an_answer()
        return [str(entry["id"]) for entry in listed if isinstance(entry, dict) and entry.get("id")]

    def post(self, path: str, body: JsonObject, files: Mapping[str, Input] | None = None) -> JsonObject:
        """The answer to a body, which is a form where files go with it. Raises as `call` does."""
        return self.call("POST", path, body, self.read_object, files or {})

    def post_for_file(self, path: str, body: JsonObject) -> bytes:
        """The file that answers a body. Raises as `call` does, and ModelError for an answer that is none."""

        def read(response: "Response") -> bytes:
            data = self.read_whole(response)
            if response.headers.get("content-type", "").startswith(("application/json", "text/")):
                raise not_an_answer()
            return data

        return self.call("POST", path, body, read)

    def stream(self, path: str, body: JsonObject, take: Callable[[JsonObject], None]) -> JsonObject | None:
        """Give each event of a stream to `take`; the answer as a whole where the server does not stream.

        Raises as `call` does. What was given away cannot be taken back, so the call is not repeated after that.
        """

        def read(response: "Response") -> JsonObject | None:
            if not response.headers.get("content-type", "").startswith(STREAM):
                return self.read_object(response)
            taken = False
            try:
                for event in self.read_events(response):
                    take(event)
                    taken = True
            except (self.http.TransportError, RepeatableError):
                if not taken:
                    raise
                what = f"the connection to {self.address} ended in the middle of the text"
                raise NetworkError(what, hint="run the same command again") from None
            return None

        asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
        return self.call("POST", path, asked, read)

    def call(
        self,
        method: str,
        path: str,
        body: JsonObject | None,
        read: "Callable[[Response], Taken]",
        files: Mapping[str, Input] = MappingProxyType({}),
    ) -> Taken:
        """What `read` takes from the answer. The call is repeated for at most a minute where that may help.

        Raises NetworkError (no answer, or too busy), UnavailableError, and InputError or ModelError for what the
        server has against this item.
        """
        waited, next_wait = 0.0, FIRST_WAIT
        while True:
            try:
                with ExitStack() as opened:
                    sent = make_form(body or {}, files, opened) if files else {"json": body}
                    response = opened.enter_context(self.client.stream(method, f"{self.address}/{path}", **sent))
                    self.check_status(response)
                    return read(response)
            except RepeatableError as failure:
                error, asked = failure.error, failure.wait
            except (self.http.ConnectError, self.http.TimeoutException, self.http.UnsupportedProtocol) as failure:
                raise self.explain(failure) from failure
            except self.http.TransportError as failure:
                error, asked = self.explain(failure), None
            except (self.http.HTTPError, self.http.InvalidURL) as failure:
                raise ModelError(f"{self.address}: {failure}") from failure
            wait = next_wait if asked is None else max(asked, 0.0)
            if waited + wait > LONGEST_WAIT:
                raise give_up(error, asked)
            self.say_wait(error, wait, is_asked=asked is not None)
            if pause(self.stopping, wait):
                raise NetworkError(error.message)  # of no item's own: nobody waits for it any more
            waited, next_wait = waited + max(wait, FIRST_WAIT), next_wait * 2

    def say_wait(self, error: GenaiError, wait: float, *, is_asked: bool) -> None:
        """Say that a call is repeated, and when."""
        if is_asked:
            self.emit(Notice(f"{self.address} asks to wait {wait:.0f} s"))
        else:
            self.emit(Detail(f"{error.message}; trying again in {wait:.1f} s"))

    def explain(self, failure: Exception) -> NetworkError:
        """The error for a call that got no answer."""
        if isinstance(failure, self.http.ConnectError):
            return NetworkError(f"{self.address} takes no connection: {failure}", hint="is the server running?")
        if isinstance(failure, self.http.ConnectTimeout):
            return NetworkError(f"{self.address} takes no connection within {CONNECT_SECONDS:.0f} s")
        if isinstance(failure, self.http.TimeoutException):
            return NetworkError(f"{self.address} gave no answer within {ANSWER_SECONDS:g} s")
        return NetworkError(f"the connection to {self.address} ended: {failure}")

    def check_status(self, response: "Response") -> None:
        """Raise for any status but success."""
        status = response.status_code
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            hint = "genai follows no redirect of a server: -m names the address that answers"
            raise UnavailableError(f"{self.address} answered {status}, a redirect", hint=hint)
        said = self.read_message(response)
        raise tell_apart(status, f"{self.address} answered {status}{said}", response.headers)

    def read_message(self, response: "Response") -> str:
        """What the server says about a failure, with a colon before it."""
        text = b""
        for piece in response.iter_bytes():
            text += piece
            if len(text) > MOST_ERROR_BYTES:
                break
        try:
            found = find_message(from_json(text[:MOST_ERROR_BYTES]))
        except ValueError:
            found = None
        said = hide(found or "", self.key).strip()
        return f": {said[:LONGEST_MESSAGE]}" if said else ""

    def read_object(self, response: "Response") -> JsonObject:
        """An answer as a JSON object. Raises ModelError."""
        return parse_object(self.read_whole(response))

    def read_whole(self, response: "Response") -> bytes:
        """The bytes of an answer. Raises ModelError for too many."""
        pieces, size = [], 0
        for piece in response.iter_bytes():
            size += len(piece)
            refuse_size(size)
            pieces.append(piece)
        return b"".join(pieces)

    def read_events(self, response: "Response") -> Iterator[JsonObject]:
        """The objects of a stream of events, whose end has to be said. Raises ModelError, RepeatableError.

        https://html.spec.whatwg.org/multipage/server-sent-events.html
        """
        size, ended = 0, False
        for line in split_lines(response.iter_bytes()):
            size += len(line)
            refuse_size(size)
            if not line.startswith(DATA):
                continue
            data = line.removeprefix(DATA).strip()
            if data == END:
                return
            event = parse_object(data)
            if "error" in event:
                said = hide(find_message(event) or "an error", self.key)[:LONGEST_MESSAGE]
                raise ModelError(f"{self.address} stopped in the middle: {said}")
            ended = ended or has_ended(event)
            yield event
        if not ended:
            raise RepeatableError(NetworkError(f"the connection to {self.address} ended before the text did"))


def tell_apart(status: int, words: str, headers: Mapping[str, str]) -> Exception:
    """The error for a status: repeatable, of the server, or of the one item."""
    if status in OVERLOADED:
        return RepeatableError(NetworkError(words), read_wait(headers))
    if status >= 500:
        return RepeatableError(ModelError(words), read_wait(headers))
    if status in (401, 403):
        return UnavailableError(words, hint=KEY_HINT)
    if status in (404, 405):
        return UnavailableError(words, hint="genai models show ADDRESS lists the server's models")
    return InputError(words)


def give_up(error: GenaiError, asked: float | None) -> GenaiError:
    """The error of a call that was repeated long enough, or that the server asks to repeat much later."""
    if asked is not None and asked > LONGEST_WAIT:
        error.message = f"{error.message}; it asks to wait {asked:.0f} s"
        error.hint = f"try again in {asked / 60:.0f} min"
    elif error.hint is None:
        error.hint = f"it was tried for {LONGEST_WAIT} s; run the same command again later"
    return error


def pause(stopping: Event, seconds: float) -> bool:
    """Wait; whether nobody waits for the answer any more."""
    return stopping.wait(seconds)


def refuse_size(size: int) -> None:
    """Raise ModelError for an answer that is too large to be one."""
    if size > MOST_BYTES:
        raise ModelError(f"the server's answer is over {MOST_BYTES // 10**6} MB")


def parse_object(data: bytes) -> JsonObject:
    """An object of JSON. Raises ModelError."""
    try:
        found = from_json(data)
    except ValueError:
        raise not_an_answer() from None
    if not isinstance(found, dict):
        raise not_an_answer()
    return found


def find_message(body: object) -> str | None:
    """What an error says, as OpenAI, vLLM, llama-server and ollama write it."""
    if not isinstance(body, dict):
        return None
    error = body.get("error", body)
    said = error if isinstance(error, str) else None
    if isinstance(error, dict):
        said = error.get("message") or error.get("detail")
    return str(said) if said else None


def has_ended(event: JsonObject) -> bool:
    """Whether an event says why its text ended."""
    choices = event.get("choices")
    return bool(
        isinstance(choices, list) and choices and isinstance(choices[0], dict) and choices[0].get("finish_reason")
    )


def split_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a body that comes in pieces; a last one without an end is not whole. Raises ModelError."""
    begun = b""
    for piece in pieces:
        *lines, begun = (begun + piece).split(b"\n")
        if len(begun) > MOST_LINE_BYTES:
            raise not_an_answer()
        yield from lines
