"""Requests become jobs: one result each, with a key, an id and a seed of its own."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from genai_cli.hub.reference import ModelReference
from genai_cli.request.request import MAX_SEED, PROMPT, Request
from genai_cli.request.rows import Row

KEY_LENGTH = 16  # hexadecimal digits: among a million jobs two alike come by chance once in 37 million

CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"))

References = Mapping[tuple[str, str], ModelReference]
"""What the models' names stand for, by task and name."""


@dataclass(frozen=True)
class Job:
    """One result to make; its request's seed is set."""

    index: int
    key: str
    id: str
    request: Request
    suffix: str | None = None
    """The file type that the row asks for, where it does."""


@dataclass(frozen=True)
class Order:
    """A request, how many results of it, the id and the file type that its row gives, and that row.

    `index` is the place of its first result among those of all orders.
    """

    request: Request
    number: int = 1
    id: str | None = None
    suffix: str | None = None
    row: Row = field(default_factory=lambda: Row({}))
    index: int = 0


def expand(orders: Iterable[Order], references: References, base_seed: int) -> Iterator[Job]:
    """The jobs of the orders; all orders whose content is alike must be among them, in their order.

    A key hashes what shapes the result and how many identical jobs came before, so it moves with no line and no path.
    """
    seen: Counter[str] = Counter()
    for order in orders:
        content = hash_content(order.request, references[order.request.task, order.request.model])
        for copy in range(order.number):
            occurrence, seen[content] = seen[content], seen[content] + 1
            key = digest(content, occurrence)
            seed = choose_seed(order.request.seed, occurrence, base_seed, key)
            name = order.id if order.id and order.number == 1 else f"{order.id}-{copy + 1}" if order.id else key
            yield Job(order.index + copy, key, name, replace(order.request, seed=seed), order.suffix)


def carry_inputs(job: Job) -> Job:
    """The job with the content of its input files."""
    request = job.request.carry()
    return job if request is job.request else replace(job, request=request)


def hash_content(request: Request, reference: ModelReference) -> str:
    """A hash of what shapes the result: task, prompt, parameters, model and its commit, and the content of files."""
    prompt = request.content().get(PROMPT, "")
    files = {name: file.sha256 for name, file in request.inputs().items()}
    adapters = {name: [one.identity() for one in several] for name, several in request.adapters().items()}
    parts = (request.task, prompt, request.parameters(), reference.identity, reference.revision)
    return digest(*parts, *([files] if files else []), *([{"adapters": adapters}] if adapters else []))


def digest(*parts: object) -> str:
    """The beginning of the SHA-256 of the parts as canonical JSON."""
    return hashlib.sha256(CANONICAL.encode(parts).encode()).hexdigest()[:KEY_LENGTH]


def choose_seed(given: int | None, occurrence: int, base_seed: int, key: str) -> int:
    """The given seed, counted on for identical jobs; else 32 bits from the base seed and the key."""
    if given is not None:
        return (given + occurrence) % (MAX_SEED + 1)
    return int(digest(base_seed, key)[:8], 16)
