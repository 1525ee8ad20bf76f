"""Whether bfloat16 pays on this machine's processor: measured once, and kept in the user's cache folder.

Half of the bytes are read, and some processors multiply it faster than float32, others many times more slowly. Which
is which depends on the processor, on torch and on the work, so a short probe measures it (`bfloat16_probe`).
"""

import hashlib
import platform
from pathlib import Path

from genai_cli.device.kept_figures import find_figures_file, keep_figure, read_figures
from genai_cli.device.threads import SMALL, read_default_threads, use_threads
from genai_cli.device.workload import Burden, Work

PROCESSORS = Path("/proc/cpuinfo")
PROBE = 2  # raise it where something else is measured: what was kept before counts no longer
LEAST_GAIN = 1.3  # times as fast as float32: below it, float32 is kept, which is more exact


def choose_dtype(burden: Burden) -> tuple[str, str]:
    """The dtype of a model on the processor, and the reason. Measures once a machine, for three seconds at most."""
    if burden.quantized:
        return "float32", "what is not quantized stays exact"
    if burden.work is None:
        return "float32", "exact, and the usual one on a cpu"
    if burden.weights < SMALL:
        return "float32", "exact, and a small model gains nothing in fewer bits"
    gain = find_gain(burden.work)
    if gain is None:
        return "float32", "exact; the gain of bfloat16 could not be kept in the cache folder"
    return decide(burden.work, gain)


def decide(work: Work, gain: float) -> tuple[str, str]:
    """The dtype for a gain that was measured, and the reason."""
    measured = f"measured here for {work}: bfloat16 is {gain:.3g} times as fast"
    if gain >= LEAST_GAIN:
        return "bfloat16", measured
    return "float32", f"exact; {measured}, and {LEAST_GAIN} is the least"


def find_gain(work: Work) -> float | None:
    """How many times as fast bfloat16 is, as it was measured on this machine. Measures it where that was not done.

    None where it cannot be kept: a figure that is measured in each run could change, and the results with it.
    """
    file, key = find_gains_file(), build_gain_key(work)
    known = read_gain(file, key)
    if known is None:
        from genai_cli.device.bfloat16_probe import measure_gain

        with use_threads(read_default_threads()):
            gain = measure_gain(work)
        known = read_gain(file, key)  # another process may have measured it meanwhile: the first one counts
        if known is None and keep_figure(file, key, {"gain": round(gain, 3)}):
            known = read_gain(file, key)
    return known


def find_gains_file() -> Path:
    """`bfloat16-gains.json` in the user's cache folder."""
    return find_figures_file("bfloat16-gains.json")


def build_gain_key(work: Work) -> str:
    """What a gain belongs to: the work and its probe, the processor by its name and abilities, and torch's version."""
    import torch

    return f"{work} {PROBE} | {describe_processor()} | torch {torch.__version__}"


def describe_processor() -> str:
    """The processor's name, and a hash of what it can do."""
    try:
        first = PROCESSORS.read_text(errors="replace").partition("\n\n")[0]
    except OSError:
        return f"{platform.processor() or platform.machine()} | {platform.machine()}"
    stated = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
    abilities = stated.get("flags") or stated.get("Features") or ""
    name = stated.get("model name") or platform.machine()
    return f"{name} | {hashlib.sha256(abilities.encode()).hexdigest()[:8]}"


def read_gain(file: Path, key: str) -> float | None:
    """A gain that is kept; None where there is none, or no number."""
    kept = read_figures(file).get(key)
    gain = kept.get("gain") if isinstance(kept, dict) else None
    return float(gain) if isinstance(gain, int | float) and not isinstance(gain, bool) else None
