"""How many threads a model on the CPU computes with."""

import os
from functools import cache

# Bytes of weights. The threads of a smaller model wait for each other longer than they compute: the built-in models
# (3 to 11 MB) take from 90% to 30% of the time with one thread in place of two, GPT-2 (500 MB) as long.
SMALL = 64_000_000


def set_threads(weights: int) -> int:
    """Let torch compute with one thread for a model of so few bytes, else with all; the user's own number stays."""
    import torch

    usual = usual_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1 if weights < SMALL else usual)
    return int(torch.get_num_threads())


@cache
def usual_threads() -> int:
    """What torch takes by itself; asked before anything changes it."""
    import torch

    return int(torch.get_num_threads())
