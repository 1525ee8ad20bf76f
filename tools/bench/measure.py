"""Run whole commands in turn, and compare their time and memory. This process stays small.

On Linux a child's peak memory starts at that of the process that started it, so nothing heavy is imported here.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# ru_maxrss is in bytes on macOS, in kilobytes elsewhere.
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class FailedError(Exception):
    """A measured command ended with an error."""


@dataclass(frozen=True)
class Command:
    """What to run. `env` is added to the benchmark's environment. The folder `fresh` is removed before each run."""

    arguments: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    fresh: Path | None = None


@dataclass(frozen=True)
class Sample:
    """One run: wall seconds, CPU seconds with children, peak memory in bytes, and the output streams."""

    wall: float
    cpu: float
    peak: int
    stdout: str = field(repr=False, default="")
    stderr: str = field(repr=False, default="")


@dataclass(frozen=True)
class Spread:
    """The median, lowest and highest value of `count` runs or pairs of runs."""

    median: float
    low: float
    high: float
    count: int


def spread(values: Sequence[float]) -> Spread:
    """The median of the values and their range."""
    return Spread(statistics.median(values), min(values), max(values), len(values))


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """The spread of the ratios of paired runs."""
    return spread([mine / other for mine, other in zip(ours, theirs, strict=True)])


def run(command: Command) -> Sample:
    """Run a command to its end. Raises FailedError with the last lines of its stderr."""
    if command.fresh:
        shutil.rmtree(command.fresh, ignore_errors=True)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            command.arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=os.environ | dict(command.env)
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        streams = []
        for stream in (out, err):
            stream.seek(0)
            streams.append(stream.read().decode(errors="replace"))
    if process.returncode:
        said = "\n".join(streams[1].strip().splitlines()[-5:])
        name = " ".join([Path(command.arguments[0]).name, *command.arguments[1:3]])
        raise FailedError(f"{name} ... ended with {process.returncode}: {said}")
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * RSS_UNIT, *streams)


def in_turn(commands: Mapping[str, Command], rounds: int) -> dict[str, list[Sample]]:
    """Run the commands in order, then in reverse, and so on (A B, B A, A B). So a drift affects all alike."""
    samples: dict[str, list[Sample]] = {name: [] for name in commands}
    for number in range(rounds):
        for name in list(commands)[:: -1 if number % 2 else 1]:
            samples[name].append(run(commands[name]))
    return samples
