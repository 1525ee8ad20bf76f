"""Which jobs a model takes at once, and in which order their results are shown."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from genai_cli.errors import InputError
from genai_cli.modality.request import Request
from genai_cli.work.job import Job

# So many jobs of the stream are looked at together to find some that go well into one group.
LOOKAHEAD = 512
# How many items at once where the user names no number, by device. Measured on a 2-core AVX-512 machine; on a GPU
# these are starting points, and what does not fit into its memory is halved.
AUTO_SIZES = {
    "text": {"cpu": 16, "cuda": 32, "mps": 8},
    "classify": {"cpu": 64, "cuda": 256, "mps": 64},
    "audio": {"cpu": 4, "cuda": 8, "mps": 4},
}
# What a pipeline of pictures takes of the device's memory for each pixel, beside its weights: Stable Diffusion 1.5 in
# float16, where the decoder takes most of it.
BYTES_A_PIXEL = 12_000
MOST_PICTURES = 16


def parse_batch_size(text: str) -> int | None:
    """`--batch-size`: a number, or None for auto."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--batch-size must be auto or a number from 1 on, not {text!r}")
    return int(text)


def auto_size(task: str, device: str, free_bytes: int, pixels: int) -> int:
    """How many items to make at once on a device of this name with so much free memory; `pixels` are a picture's."""
    kind = device.partition(":")[0]
    if task != "image":
        return AUTO_SIZES[task][kind]
    if kind != "cuda":
        return 1  # what memory is free is not known
    return max(1, min(MOST_PICTURES, free_bytes * 8 // 10 // (BYTES_A_PIXEL * pixels)))


def largest_size(task: str, device: str) -> int:
    """The most items that may be made at once, whatever is asked for.

    On a processor one picture keeps all cores busy, and convolutions of several sum in another order: every pixel
    could differ by a step from the picture alone.
    """
    return 1 if (task, device) == ("image", "cpu") else LOOKAHEAD


def cut_groups(jobs: Iterable[Job], size_of: Callable[[Request], int]) -> Iterator[list[Job]]:
    """Groups of jobs that a model can take at once, of about the same length, each of at most `size_of` its first."""
    alike: dict[tuple[object, ...], list[Job]] = {}
    for job in jobs:
        alike.setdefault(job.request.batch_key(), []).append(job)
    for same in alike.values():
        by_length = sorted(same, key=lambda job: job.request.length())
        yield from cut(by_length, size_of(by_length[0].request))


def cut(jobs: Sequence[Job], size: int) -> Iterator[list[Job]]:
    """The jobs in their order, `size` at a time."""
    for first in range(0, len(jobs), size):
        yield list(jobs[first : first + size])


class OfJob(Protocol):
    """What came of a job."""

    @property
    def job(self) -> Job:
        """The job."""


Outcome = TypeVar("Outcome", bound=OfJob)


class InputOrder:
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
