"""A small server of OpenAI's API on 127.0.0.1: its answers are told from the body, and its failures are scripted.

API: https://platform.openai.com/docs/api-reference
"""

import base64
import hashlib
import io
import json
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

JSON = {"Content-Type": "application/json"}
EVENTS = {"Content-Type": "text/event-stream"}


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    token: str | None
    """The Authorization header."""
    body: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What one request gets; with `cut`, the connection ends before the body does."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    cut: bool = False
    pause_after: int | None = None
    """How many bytes of the body come before the answer waits to be released."""


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(value).encode(), {**JSON, **(headers or {})})


def error_answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error in OpenAI's form."""
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}
    return json_answer(body, status, headers)


class LoopbackApi:
    """Answers texts that name their prompt and seed, and pictures drawn from both; notes every request."""

    def __init__(self, models: tuple[str, ...] = ("small",)) -> None:
        self.models = models
        self.asked: list[Asked] = []
        self.script: deque[Answer] = deque()
        """The answers to the next calls, before the usual ones."""
        self.key: str | None = None
        """What every request must bring, if anything."""
        self.reply: Callable[[str], str] = lambda prompt: f"Echo of {prompt}."
        self.usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
        self.streams = True
        self.before_answer: Callable[[int], None] = lambda _number: None
        """Called with the number of the call (1 is the first) before it is answered."""
        self.released = Event()
        """Lets answers go that `before_answer` holds; set at the end."""
        self.lock = Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, self))
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def model(self) -> str:
        """The first model, as `-m` names it."""
        return f"{self.url}#{self.models[0]}"

    def calls(self) -> list[Asked]:
        """The calls that make something."""
        return [asked for asked in self.asked if asked.method == "POST"]

    def prompts(self) -> list[str]:
        """What the calls asked for, in their order."""
        return [find_prompt(asked.body) for asked in self.calls()]

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request."""
        with self.lock:
            self.asked.append(asked)
            number = len(self.calls())
        if asked.method == "POST":
            self.before_answer(number)
        with self.lock:
            if asked.method == "POST" and self.script:
                return self.script.popleft()
        if self.key is not None and asked.token != f"Bearer {self.key}":
            return error_answer(401, f"Incorrect API key provided: {asked.token}")
        if asked.path == "/v1/models":
            return json_answer({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})
        if asked.body.get("model") not in self.models:
            return error_answer(404, f"The model {asked.body.get('model')!r} does not exist")
        make = {
            "/v1/chat/completions": self.chat,
            "/v1/completions": self.complete,
            "/v1/images/generations": self.draw,
        }.get(asked.path)
        return make(asked.body) if make else error_answer(404, "unknown path")

    def chat(self, body: dict[str, Any]) -> Answer:
        text = self.reply(body["messages"][-1]["content"])
        message = {"role": "assistant", "content": text}
        return self.say(body, text, {"message": message}, lambda piece: {"delta": {"content": piece}})

    def complete(self, body: dict[str, Any]) -> Answer:
        text = self.reply(body["prompt"])
        return self.say(body, text, {"text": text}, lambda piece: {"text": piece})

    def say(
        self, body: dict[str, Any], text: str, whole: dict[str, Any], part: Callable[[str], dict[str, Any]]
    ) -> Answer:
        """A text at once, or in pieces of three characters."""
        head = {"id": "x-1", "created": 1, "model": f"{body['model']}-0613"}
        if not (body.get("stream") and self.streams):
            choice = {"index": 0, **whole, "finish_reason": "stop"}
            return json_answer({**head, "choices": [choice], "usage": self.usage})
        pieces = [text[start : start + 3] for start in range(0, len(text), 3)]
        events: list[dict[str, Any]] = [{**head, "choices": [{"index": 0, **part(piece)}]} for piece in pieces]
        events.append({**head, "choices": [{"index": 0, **part(""), "finish_reason": "stop"}]})
        events.append({**head, "choices": [], "usage": self.usage})
        return stream_answer(events)

    def draw(self, body: dict[str, Any]) -> Answer:
        """A picture of two colours that prompt and seed choose."""
        size = body.get("size", "16x8").split("x")
        return json_answer({"created": 1, "data": [{"b64_json": draw(int(size[0]), int(size[1]), repr(body))}]})


def stream_answer(events: list[dict[str, Any]], *, cut: bool = False) -> Answer:
    """Events as they are streamed; with `cut` the connection ends after them."""
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    text = "".join(lines) if cut else "".join([": hello\n\n", *lines, "data: [DONE]\n\n"])
    return Answer(200, text.encode(), EVENTS, cut)


def draw(width: int, height: int, seed: str) -> str:
    """A PNG of two colours, in base64."""
    from PIL import Image

    colours = hashlib.sha256(seed.encode()).digest()
    image = Image.new("RGB", (width, height), tuple(colours[:3]))
    image.paste(tuple(colours[3:6]), (0, 0, width // 2, height))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def find_prompt(body: dict[str, Any]) -> str:
    """What a body asks for."""
    return str(body["messages"][-1]["content"] if "messages" in body else body["prompt"])


class Handler(BaseHTTPRequestHandler):
    """Carries requests to the server and its answers back."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def __init__(self, api: LoopbackApi, *arguments: Any) -> None:
        self.api = api
        super().__init__(*arguments)

    def handle(self) -> None:
        """Requests until the command hangs up, in order or killed."""
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        self.respond()

    def do_POST(self) -> None:
        self.respond()

    def respond(self) -> None:
        """Answer one request."""
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(data) if data else {}
        answer = self.api.answer(Asked(self.command, self.path, self.headers.get("Authorization"), body))
        try:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) + (1000 if answer.cut else 0)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.pause_after])
            if answer.pause_after is not None:
                self.api.released.wait(30)
                self.wfile.write(answer.body[answer.pause_after :])
        except OSError:  # the command has gone
            self.close_connection = True
        if answer.cut:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr: tests read `asked`."""
