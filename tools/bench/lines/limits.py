"""What the machine can do: its matrix rate and memory bandwidth. Also the work that the models need."""

import json
import subprocess
import sys

from tools.bench.bench import Bench, Line

PROBE = "tools.bench.probe"


def measure_limits(bench: Bench) -> None:
    """Add rows for the machine's rates."""
    found = probe_limits(bench)
    rate, bandwidth = found["flops"] / 1e9, found["bandwidth"] / 1e9
    bench.add_own("limits", f"{bench.dtype} matrix product, 4096x4096, best of 5", "GFLOP/s", [rate], None)
    bench.add_own("limits", "reading of memory (matrix times vector, 1 GB), best of 5", "GB/s", [bandwidth], None)


def probe_limits(bench: Bench) -> dict[str, float]:
    """The machine's rates (FLOP/s, bytes/s) and the models' work, measured once per run in a separate process."""
    if not bench.limits:
        asked = [sys.executable, "-m", PROBE, bench.device, bench.dtype]
        answer = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        bench.limits.update(json.loads(answer))
    return bench.limits


LINES = (Line("limits", "the machine's matrix rate and memory bandwidth", measure_limits),)
