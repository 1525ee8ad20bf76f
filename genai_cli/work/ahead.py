"""Work that goes on one element ahead of whoever takes the elements."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, wait
from typing import Any, TypeVar

from genai_cli.signals import hold_signals

Element = TypeVar("Element")


def one_ahead(elements: Iterator[Element], thread: Executor) -> Iterator[Element]:
    """The elements in their order, each computed in `thread` while the one before it is used, and no further ahead.

    An error of theirs comes in its place. Whoever leaves early waits for the element that is being computed.
    """
    ended = object()
    coming: deque[Future[Any]] = deque(maxlen=1)

    def begin_next() -> None:
        with (
            hold_signals()
        ):  # what a signal would part from its future, or a thread from its executor, nobody waits for
            coming.append(thread.submit(next, elements, ended))

    try:
        begin_next()
        while (element := coming[0].result()) is not ended:
            begin_next()
            yield element
    finally:
        wait(coming)
