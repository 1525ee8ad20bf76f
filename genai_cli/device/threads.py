"""How many threads a model on the CPU uses, and how they wait for each other."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

LOAD = Path("/proc/loadavg")  # https://man7.org/linux/man-pages/man5/proc_loadavg.5.html

POLICY = "OMP_WAIT_POLICY"
SPINS = "GOMP_SPINCOUNT"  # https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html
LOOKS = 5
BETWEEN_LOOKS = 0.001  # seconds
MOMENT = "4000"  # looks, a tenth of a millisecond; by default there are 300,000

# Bytes of weights. The threads of a smaller model wait for each other longer than they compute: with one thread instead
# of two the built-in models (3 to 11 MB) need 30% to 90% of the time, and GPT-2 (500 MB) needs the same time.
SMALL = 64_000_000


def set_waiting() -> None:
    """Set how OpenMP's threads wait for each other, unless the user has set it.

    Waking a thread takes a tenth of a millisecond, a hundred times for a token of text. But threads that stay awake
    beside a busy program take the processor from each other. While another program computes they sleep at once. Else
    they stay awake for a moment, which outlasts most waits, and then sleep: a program that comes later costs little.
    OpenMP reads this when torch is first imported, and nothing changes it after that.
    """
    if POLICY in os.environ or SPINS in os.environ:
        return
    if others_compute():
        os.environ[POLICY] = "passive"
    else:
        os.environ[SPINS] = MOMENT


def describe_waiting() -> str:
    """How threads wait for each other, in words."""
    if SPINS in os.environ:
        return "awake for a moment, then asleep,"
    return "asleep" if os.environ.get(POLICY, "").lower() == "passive" else "awake"


def others_compute() -> bool:
    """Whether more threads run than the one that asks, most of the times it looks; true where the system is silent.

    A single look would take a shell's prompt, or a thread of the system that wakes up, for a program that computes.
    """
    busy = 0
    for look in range(LOOKS):
        if look:
            time.sleep(BETWEEN_LOOKS)
        try:
            running, _, _ = LOAD.read_text().split()[3].partition("/")
        except (OSError, IndexError):
            return True
        busy += running != "1"
    return busy > LOOKS / 2


def choose_threads(weights: int) -> int:
    """One thread for a model with few bytes of weights, and else torch's default; OMP_NUM_THREADS goes first."""
    return 1 if weights < SMALL and "OMP_NUM_THREADS" not in os.environ else read_default_threads()


class Turns:
    """Lets models run at once that use the same number of threads: it is a setting of the whole process."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.threads = 0
        self.running = 0

    @contextmanager
    def take(self, threads: int) -> Iterator[None]:
        """Run with so many threads; waits for models that use another number."""
        with self.changed:
            self.changed.wait_for(lambda: not self.running or self.threads == threads)
            self.threads = threads
            self.running += 1
        try:
            yield
        finally:
            with self.changed:
                self.running -= 1
                self.changed.notify_all()


TURNS = Turns()


@contextmanager
def use_threads(threads: int | None) -> Iterator[None]:
    """Have torch use so many threads on the CPU; None, for a model on an accelerator, leaves them."""
    if threads is None:
        yield
        return
    import torch

    read_default_threads()
    with TURNS.take(threads):
        torch.set_num_threads(threads)
        yield


@cache
def read_default_threads() -> int:
    """The number of threads that torch uses by default; read once, before `use_threads` changes it."""
    import torch

    return int(torch.get_num_threads())
