"""Randomness that belongs to one item."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seed_generators(seed: int | None) -> Iterator[None]:
    """Seed torch's global generators, which the libraries' generate uses, for one item. Restore them afterwards."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed or 0)
        yield
