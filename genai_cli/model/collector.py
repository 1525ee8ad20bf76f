"""Python's collector of reference cycles, which has no work while libraries are imported."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_off() -> Iterator[None]:
    """Import without the collector, which else walks through all that was imported so far again and again.

    Importing torch with transformers or diffusers then takes two thirds of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
