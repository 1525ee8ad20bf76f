"""What the server counts, in the text form of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from genai_cli.types import JsonObject


@dataclass
class Spent:
    """What a request took: seconds until its turn came, seconds of the model for its results, and how many those are.

    Of results that a model makes at once each counts its share of the seconds.
    """

    queue: float = 0.0
    model: float = 0.0
    results: int = 0


class Metrics:
    """Counts of requests, their seconds, and what they made."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests: Counter[tuple[str, int]] = Counter()
        self.seconds: dict[str, Counter[str]] = {"request": Counter(), "queue": Counter(), "model": Counter()}
        self.results: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()

    def count(self, path: str, status: int, seconds: float, spent: Spent, body: JsonObject | None = None) -> None:
        """Count a request that has ended."""
        usage = (body or {}).get("usage") or {}
        with self.lock:
            self.requests[path, status] += 1
            self.results[path] += spent.results
            for kind, took in {"request": seconds, "queue": spent.queue, "model": spent.model}.items():
                self.seconds[kind][path] += took  # type: ignore[assignment]
            for kind in ("prompt_tokens", "completion_tokens"):
                self.tokens[kind] += usage.get(kind, 0)

    def show(self, present: int, memory: Mapping[str, int]) -> str:
        """All counts; `present` requests are waiting or being made, and `memory` is in bytes by process."""
        with self.lock:
            lines = [
                *self.show_requests(),
                *(line for kind in self.seconds for line in self.show_seconds(kind)),
                *show_family("genai_results_total", "counter", "path", self.results),
                *show_family("genai_tokens_total", "counter", "kind", self.tokens),
            ]
        lines += show_family("genai_memory_bytes", "gauge", "process", memory)
        return "\n".join([*lines, "# TYPE genai_requests_present gauge", f"genai_requests_present {present}", ""])

    def show_requests(self) -> Iterator[str]:
        """The requests by address and status."""
        yield "# TYPE genai_requests_total counter"
        for (path, status), count in sorted(self.requests.items()):
            yield f'genai_requests_total{{path="{path}",status="{status}"}} {count}'

    def show_seconds(self, kind: str) -> Iterator[str]:
        """The seconds of requests, in the queue, or in the model."""
        rounded = {path: f"{seconds:.3f}" for path, seconds in self.seconds[kind].items()}
        yield from show_family(f"genai_{kind}_seconds_total", "counter", "path", rounded)


def show_family(name: str, kind: str, label: str, values: Mapping[str, object]) -> Iterator[str]:
    """The lines of one metric that has a value for each of several labels."""
    yield f"# TYPE {name} {kind}"
    for word, value in sorted(values.items()):
        yield f'{name}{{{label}="{word}"}} {value}'
