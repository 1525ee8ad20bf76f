"""Steps that a signal must not interrupt."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

HELD = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def hold_signals() -> Iterator[None]:
    """Delay SIGINT and SIGTERM until the block is done. A second signal is handled at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    arrived: list[int] = []
    handlers = {number: signal.getsignal(number) for number in HELD}

    def hold(number: int, frame: FrameType | None) -> None:
        arrived.append(number)
        handler = handlers[signal.Signals(number)]
        if len(arrived) > 1 and callable(handler):
            handler(number, frame)

    for number in HELD:
        signal.signal(number, hold)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if arrived:
            signal.raise_signal(arrived[0])
