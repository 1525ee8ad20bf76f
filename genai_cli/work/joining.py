"""Calls of several commands to one loaded model: those that wait are made at once where they go together."""

import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from genai_cli.events import AboutItem, Emit, Event
from genai_cli.request.request import Request
from genai_cli.work.loaded_model import LoadedModel
from genai_cli.work.producer import Run


@dataclass(eq=False)
class Call:
    """One command's requests, which go together: at most `most` items at once.

    `joins` is as in `Hints`. What `emit` raises ends the call, and no other that is made with it.
    """

    requests: Sequence[Request]
    emit: Emit
    most: int | None = None
    joins: bool = False
    answer: "Future[Run]" = field(default_factory=Future)
    left: BaseException | None = None
    """Why nobody waits for it any more."""

    def hear(self, event: Event) -> None:
        """Take what concerns the call, unless it was left."""
        if self.left is None:
            try:
                self.emit(event)
            except BaseException as error:  # the command's own, an interrupt included
                self.left = error

    def goes_with(self, other: "Call", device: str) -> bool:
        """Whether a model on a device can take both at once, and neither changes the other."""
        first, second = self.requests[0], other.requests[0]
        alike = type(first) is type(second) and first.batch_key() == second.batch_key()
        return alike and (device == "cpu" or (self.joins and other.joins))


class Joiner:
    """Hands the calls of many threads to one model, in the thread that it runs in, the oldest first.

    As each command has one call at a time, commands take turns.
    """

    def __init__(self, thread: Executor) -> None:
        self.thread = thread
        self.lock = threading.Lock()
        self.waiting: deque[Call] = deque()

    def generate(self, loaded: LoadedModel, call: Call) -> Run:
        """What the model makes of a call. Raises what the model or the call's `emit` raises."""
        with self.lock:
            self.waiting.append(call)
        self.thread.submit(self.make_next, loaded)
        return call.answer.result()

    def make_next(self, loaded: LoadedModel) -> None:
        """On the model's thread: make the oldest call, if it was not made with an earlier one."""
        with self.lock:
            calls = self.take(loaded)
        make(loaded, calls)

    def take(self, loaded: LoadedModel) -> list[Call]:
        """The oldest call that waits, and those that go with it, as many items as the model takes at once."""
        calls: list[Call] = []
        items, most = 0, 0
        for call in list(self.waiting):
            limit = loaded.choose_batch_size(call.requests[0], call.most)
            limit = min(most, limit) if calls else limit
            fits = items + len(call.requests) <= limit and call.goes_with(calls[0], loaded.device) if calls else True
            if fits:
                self.waiting.remove(call)
                calls.append(call)
                items, most = items + len(call.requests), limit
            if items >= most:
                break
        return calls


def make(loaded: LoadedModel, calls: Sequence[Call]) -> None:
    """Answer the calls; where the model fails with several, each is made alone."""
    for call in calls:
        if call.left is not None:
            call.answer.set_exception(call.left)
    calls = [call for call in calls if call.left is None]
    try:
        runs = make_together(loaded, calls) if calls else []
    except BaseException as error:  # the model's, or that of a command whose call is alone
        if len(calls) == 1:
            calls[0].answer.set_exception(error)
        else:
            for call in calls:
                make(loaded, [call])
        return
    for call, run in zip(calls, runs, strict=True):
        if call.left is None:
            call.answer.set_result(run)
        else:
            call.answer.set_exception(call.left)


def make_together(loaded: LoadedModel, calls: Sequence[Call]) -> list[Run]:
    """What the model makes of all requests at once, by their calls. Raises what ends all of them."""
    requests = [request for call in calls for request in call.requests]
    firsts = list(accumulate((len(call.requests) for call in calls), initial=0))

    def hear(event: Event) -> None:
        if isinstance(event, AboutItem):
            place = bisect_right(firsts, event.item) - 1
            calls[place].hear(AboutItem(event.item - firsts[place], event.event))
        else:
            for call in calls:
                call.hear(event)
        left = [call.left for call in calls if call.left is not None]
        if len(left) == len(calls):
            raise left[0]

    started = time.perf_counter()
    results = loaded.generate(requests, hear)
    seconds = time.perf_counter() - started
    return [Run(results[first:end], seconds, len(requests)) for first, end in pairwise(firsts)]
