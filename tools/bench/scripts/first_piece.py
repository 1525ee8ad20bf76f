"""Print the seconds to the first piece of a text: made in this process, by a worker, and by a server.

The three are asked in turn for the same text, with the model loaded, so that their differences are what the way costs.
"""

import http.client
import json
import sys
import time
from collections.abc import Callable

from genai_cli.device.spec import Placing
from genai_cli.events import Event, TextPiece
from genai_cli.hub.access import Access
from genai_cli.server.answering import Queue, Served, plan
from genai_cli.work.engines.engine import Engine
from genai_cli.work.engines.opening import open_engine

KEEP = 600.0  # seconds

device, dtype, model, port, rounds = sys.argv[1:]
BODY = {"model": model, "prompt": "It was a dark and stormy", "max_tokens": 20, "temperature": 0}
served = Served((model,), False, Access(offline=True), Placing(device=device, dtype=dtype), KEEP, Queue(1, 0))


def produced(keep: float) -> Callable[[], float]:
    """What measures a text of an engine: this process, or with `keep` the worker."""
    first: list[float] = []

    def emit(event: Event) -> None:
        if isinstance(event, TextPiece) and event.text:
            first.append(time.perf_counter())

    produce = opened(keep, emit)

    def ask() -> float:
        work = plan(served, "/v1/completions", BODY)
        first.clear()
        started = time.perf_counter()
        list(produce(work.assignment, work.jobs))
        return first[0] - started

    return ask


def opened(keep: float, emit: Callable[[Event], None]) -> Callable:  # type: ignore[type-arg]
    """An engine, for as long as this program runs."""
    return open_engine(Engine(), keep, emit).__enter__()


def served_text() -> float:
    """A text of the server, from the request to its first chunk with a text."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port))
    connection.connect()
    started = time.perf_counter()
    connection.request("POST", "/v1/completions", json.dumps({**BODY, "stream": True}))
    answer = connection.getresponse()
    first = None
    for line in answer:
        if first is None and line.startswith(b"data:") and json.loads(line[5:])["choices"][0]["text"]:
            first = time.perf_counter()
    connection.close()
    assert first is not None, answer.status
    return first - started


ways = {"model": produced(0), "worker": produced(KEEP), "server": served_text}
for ask in ways.values():
    ask()
    ask()
taken: dict[str, list[float]] = {name: [] for name in ways}
for number in range(int(rounds)):
    for name in list(ways)[:: -1 if number % 2 else 1]:
        taken[name].append(ways[name]())
print(json.dumps(taken))
