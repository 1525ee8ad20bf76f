"""Which jobs a model takes at once, and in which order their results are shown."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from genai_cli.errors import InputError
from genai_cli.request.request import Request
from genai_cli.work.job import Job

# So many jobs of the stream are looked at together to find some that go well into one group.
LOOKAHEAD = 512


def parse_batch_size(text: str) -> int | None:
    """`--batch-size`: a number, or None for auto."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--batch-size must be auto or a number from 1 on, not {text!r}")
    return int(text)


def cut_groups(jobs: Iterable[Job], choose_size: Callable[[Request], int]) -> Iterator[list[Job]]:
    """Groups of jobs that a model can take at once, of about the same length, each as large as suits its first."""
    alike: dict[tuple[object, ...], list[Job]] = {}
    for job in jobs:
        alike.setdefault(job.request.batch_key(), []).append(job)
    for same in alike.values():
        by_length = sorted(same, key=lambda job: job.request.length())
        yield from cut(by_length, choose_size(by_length[0].request))


def cut(jobs: Sequence[Job], size: int) -> Iterator[list[Job]]:
    """The jobs in their order, `size` at a time."""
    for first in range(0, len(jobs), size):
        yield list(jobs[first : first + size])


class HasJob(Protocol):
    """What came of a job."""

    @property
    def job(self) -> Job:
        """The job."""


Outcome = TypeVar("Outcome", bound=HasJob)


class InputSequence:
    """Puts outcomes back into the order of their jobs; holds those that came early, at most a lookahead of them."""

    def __init__(self) -> None:
        self.expected: deque[int] = deque()

    def watch(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """The jobs as they are, noted on their way to the producer."""
        for job in jobs:
            self.expected.append(job.index)
            yield job

    def restore(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """The outcomes in the order of the jobs."""
        early: dict[int, Outcome] = {}
        for outcome in outcomes:
            early[outcome.job.index] = outcome
            while self.expected and self.expected[0] in early:
                yield early.pop(self.expected.popleft())
