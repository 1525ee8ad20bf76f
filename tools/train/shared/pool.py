"""Examples drawn by several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.generic], ...]
CHUNK = 500


def draw_pool(draw: Callable[[int, int], Arrays], count: int, processes: int, seed: int) -> Arrays:
    """`count` examples as arrays. `draw(seed, count)` draws a part; the parts have seeds of their own."""
    parts = [(seed * 1_000_003 + start, min(CHUNK, count - start)) for start in range(0, count, CHUNK)]
    if processes == 1:
        found = [draw(*part) for part in parts]
    else:
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            found = pool.starmap(draw, parts, chunksize=1)
    return tuple(np.concatenate(arrays) for arrays in zip(*found, strict=True))
