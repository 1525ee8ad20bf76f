"""Randomness that belongs to one item."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

ONE = threading.RLock()  # several models may run in one process, and these generators are its only ones


@contextmanager
def seed_generators(seed: int | None) -> Iterator[None]:
    """Seed torch's global generators, which the libraries' generate uses, for one item. Restore them afterwards."""
    import torch

    with ONE, torch.random.fork_rng():
        torch.manual_seed(seed or 0)
        yield
