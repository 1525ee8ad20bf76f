"""Results in the order of their rows: each waits for those before it, which other models or groups may make later."""

from collections.abc import Iterator
from dataclasses import replace

from genai_cli.content.record import Record
from genai_cli.work.job import Job
from genai_cli.work.orders import Orders
from genai_cli.work.runner import Finished, Todo, list_jobs


class RowOrder:
    """Takes results as they end, and gives them back in row order."""

    def __init__(self, orders: Orders, todo: Todo, *, holds: bool) -> None:
        self.orders = orders
        self.todo = todo
        self.holds = holds
        """Whether results wait at all: who reads records as they come has their ids."""
        self.held: dict[int, Finished] = {}
        """What has ended and waits, by its place."""
        self.expected: Iterator[Job] | None = None
        """All jobs from the first that may still be waited for."""
        self.next: Job | None = None

    def take(self, finished: Finished) -> Iterator[Finished]:
        """The results that can be shown now that this one has ended."""
        if not self.holds:
            yield finished
            return
        if self.expected is None:
            self.expected = list_jobs(self.orders, self.todo.references, self.todo.writer)
            self.next = next(self.expected, None)
        self.held[finished.job.index] = finished
        while self.next is not None:
            if self.next.index in self.held:
                yield self.held.pop(self.next.index)
            elif self.todo.find_end(self.next) is None:
                break  # this run is still to make it; what ended in it was given back already
            self.next = next(self.expected, None)
        if finished.job.index in self.held and finished.file is not None:
            # It waits, perhaps for a whole model's items, and its path is all that is shown of a file.
            self.held[finished.job.index] = replace(finished, data=b"", record=Record())

    def rest(self) -> Iterator[Finished]:
        """What still waits, because items before it were left for another run."""
        for index in sorted(self.held):
            yield self.held.pop(index)
