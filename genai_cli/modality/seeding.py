"""Randomness that belongs to one item."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """The libraries' generate draws from the global generators: seed them for one item, and put them back after."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed or 0)
        yield
