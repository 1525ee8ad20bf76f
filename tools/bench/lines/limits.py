"""What the machine can do: its matrix rate and memory bandwidth, and the work that the models ask for."""

import json
import subprocess
import sys

from tools.bench.bench import Bench, Line

PROBE = "tools.bench.probe"


def measure_limits(bench: Bench) -> None:
    """Rows of the machine's rates."""
    found = limits_of(bench)
    rate, bandwidth = found["flops"] / 1e9, found["bandwidth"] / 1e9
    bench.add_own("limits", f"{bench.dtype} matrix product, 4096x4096, best of 5", "GFLOP/s", [rate], None)
    bench.add_own("limits", "reading of memory (matrix times vector, 1 GB), best of 5", "GB/s", [bandwidth], None)


def limits_of(bench: Bench) -> dict[str, float]:
    """The machine's rates (FLOP/s, bytes/s) and the models' work, measured once a run in a process of its own."""
    if not bench.limits:
        asked = [sys.executable, "-m", PROBE, bench.device, bench.dtype]
        answer = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        bench.limits.update(json.loads(answer))
    return bench.limits


LINES = (Line("limits", "the machine's matrix rate and memory bandwidth", measure_limits),)
