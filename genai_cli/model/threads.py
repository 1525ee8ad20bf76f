"""How many threads a model on the CPU computes with, and how they wait for each other."""

import os
from functools import cache
from pathlib import Path

LOAD = Path("/proc/loadavg")  # https://man7.org/linux/man-pages/man5/proc_loadavg.5.html

# Bytes of weights. The threads of a smaller model wait for each other longer than they compute: the built-in models
# (3 to 11 MB) take from 90% to 30% of the time with one thread in place of two, GPT-2 (500 MB) as long.
SMALL = 64_000_000


def set_waiting() -> None:
    """Have OpenMP's threads sleep while they wait for each other, where another program computes; the user may rule.

    OpenMP reads it when torch is first imported. To wake a thread takes a tenth of a millisecond, a hundred times for a
    token of text; but threads that stay awake beside a busy program keep each other from the processor, and a model
    then takes two to three times as long.
    """
    if others_compute():
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def waiting() -> str:
    """How threads wait for each other, in words."""
    return "asleep" if os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive" else "awake"


def others_compute() -> bool:
    """Whether more is running at this moment than the thread that asks; true where the system does not tell."""
    try:
        running, _, _ = LOAD.read_text().split()[3].partition("/")
    except (OSError, IndexError):
        return True
    return running != "1"


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
