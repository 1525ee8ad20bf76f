"""What the server counts, in the text form of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import threading
from collections import Counter

from genai_cli.types import JsonObject


class Metrics:
    """Counts of requests, their seconds, and what they made."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests: Counter[tuple[str, int]] = Counter()
        self.seconds: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()

    def count(self, path: str, status: int, seconds: float, body: JsonObject | None = None) -> None:
        """Count a request that has ended."""
        usage = (body or {}).get("usage") or {}
        with self.lock:
            self.requests[path, status] += 1
            self.seconds[path] += seconds  # type: ignore[assignment]
            for kind in ("prompt_tokens", "completion_tokens"):
                self.tokens[kind] += usage.get(kind, 0)

    def show(self, present: int) -> str:
        """All counts; `present` requests are waiting or being made."""
        with self.lock:
            lines = ["# TYPE genai_requests_total counter"]
            lines += [
                f'genai_requests_total{{path="{path}",status="{status}"}} {count}'
                for (path, status), count in sorted(self.requests.items())
            ]
            lines.append("# TYPE genai_request_seconds_total counter")
            lines += [
                f'genai_request_seconds_total{{path="{path}"}} {seconds:.3f}'
                for path, seconds in sorted(self.seconds.items())
            ]
            lines.append("# TYPE genai_tokens_total counter")
            lines += [f'genai_tokens_total{{kind="{kind}"}} {count}' for kind, count in sorted(self.tokens.items())]
        return "\n".join([*lines, "# TYPE genai_requests_present gauge", f"genai_requests_present {present}", ""])
