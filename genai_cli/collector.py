"""Python's collector of reference cycles. It has no work while libraries are imported."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_off() -> Iterator[None]:
    """Import without the collector. With it, Python walks through everything imported so far again and again.

    Importing torch with transformers or diffusers then takes a third less time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def set_aside() -> None:
    """Spare all objects of now from every later collection, also the one at the exit of the process."""
    gc.freeze()
