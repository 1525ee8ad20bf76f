"""How much sooner Ray with two one-thread workers makes pictures than one one-thread process, with `tiny`.

`python -m tools.bench.ray_workers` runs the two in turn and prints the paired ratios: of whole commands, and without
the start (from the first picture's end to the last one's).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

GENAI = str(Path(sys.executable).with_name("genai"))
ENGINES = {"one process": [], "Ray, 2 workers": ["--engine", "ray", "--workers", "2"]}


@dataclass(frozen=True)
class Timing:
    """Seconds of a whole command, and pictures a second between its first picture and its last."""

    whole: float
    pace: float


def measure(prompts: Path, options: list[str]) -> Timing:
    """Run one command over the prompts; it prints a line for each picture when it is written."""
    with tempfile.TemporaryDirectory() as folder:
        command = [GENAI, "image", "--prompts", str(prompts), "-m", "tiny", "--seed", "1", "-o", f"{folder}/out/"]
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, *options],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        ends = [time.perf_counter() for _ in process.stdout]
        if process.wait():
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        return Timing(time.perf_counter() - started, (len(ends) - 1) / (ends[-1] - ends[0]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=200, help="how many pictures a run (default: 200)")
    parser.add_argument("--pairs", type=int, default=3, help="how many pairs of runs (default: 3)")
    given = parser.parse_args()
    timings: dict[str, list[Timing]] = {name: [] for name in ENGINES}
    with tempfile.TemporaryDirectory() as folder:
        prompts = Path(folder, "prompts.jsonl")
        prompts.write_text("".join(json.dumps({"prompt": f"a red circle, {n}"}) + "\n" for n in range(given.pictures)))
        for number in range(given.pairs):
            for name in list(ENGINES)[:: -1 if number % 2 else 1]:
                timings[name].append(measure(prompts, ENGINES[name]))
    for name, runs in timings.items():
        whole, pace = statistics.median(run.whole for run in runs), statistics.median(run.pace for run in runs)
        print(f"{name:<15} {whole:7.1f} s for {given.pictures} pictures, {pace:.2f} a second once started")
    pairs = list(zip(*timings.values(), strict=True))
    show("whole commands", [process.whole / ray.whole for process, ray in pairs])
    show("once started", [ray.pace / process.pace for process, ray in pairs])


def show(what: str, ratios: list[float]) -> None:
    """The median of paired ratios with its range."""
    print(f"{what:<15} {statistics.median(ratios):.2f} times ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
