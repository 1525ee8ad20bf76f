"""What every line uses: the commands, the checkpoints, the amount of work, and the place for the figures."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tools.bench.checkpoints import built
from tools.bench.measure import Command, Sample, in_turn, paired, run, spread
from tools.bench.report import Expectation, Row, Skip

BIN = Path(sys.executable).parent
SCRIPTS = Path(__file__).parent / "scripts"
MEGABYTE = 1e6


@dataclass
class Bench:
    """One run of the benchmark: its settings, and the rows, gaps and single runs so far."""

    cache: Path
    folder: Path  # for what the commands write; gone afterwards
    device: str
    quick: bool = False
    rows: list[Row] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    samples: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)
    warm: set[str] = field(default_factory=set)
    limits: dict[str, float] = field(default_factory=dict)

    @property
    def dtype(self) -> str:
        """The dtype in which both sides compute."""
        return "float16" if self.device == "cuda" else "float32"

    def choose(self, full: int, quick: int) -> int:
        """Choose a number of pairs or an amount of work: the full one, or the one for --quick."""
        return quick if self.quick else full

    def checkpoint(self, name: str) -> str:
        """The folder of a full-size checkpoint. Its files are read once, so that the system caches them in memory."""
        folder = built(self.cache, name)
        if name not in self.warm:
            self.warm.add(name)
            self.warm_libraries()
            for file in folder.rglob("*.safetensors"):
                with file.open("rb") as data:
                    while data.read(1 << 24):
                        pass
        return str(folder)

    def warm_libraries(self) -> None:
        """Run each command once, so that the system caches the libraries' files too."""
        if "libraries" not in self.warm:
            self.warm.add("libraries")
            for task in ("image", "text"):
                run(self.genai(task, "a red circle", "-m", "tiny", "-o", f"{self.folder}/{task}-warm/"))

    def genai(
        self, command: str, *arguments: object, env: Mapping[str, str] | None = None, fresh: Path | None = None
    ) -> Command:
        """A genai command on the device that is measured."""
        place = ["--device", self.device, "--dtype", self.dtype]
        return Command([str(BIN / "genai"), command, *map(str, arguments), *place], env or {}, fresh)

    def script(self, name: str, *arguments: object) -> Command:
        """A bare script that uses the libraries. Device and dtype come first."""
        file = str(SCRIPTS / f"{name}.py")
        return Command([sys.executable, file, self.device, self.dtype, *map(str, arguments)])

    def measure(self, line: str, commands: Mapping[str, Command], pairs: int) -> dict[str, list[Sample]]:
        """Run the commands in turn. Every run goes into the JSON."""
        taken = in_turn(commands, pairs)
        self.samples.setdefault(line, {}).update(taken)
        return taken

    def add_pairs(
        self,
        line: str,
        measure: str,
        against: str,
        unit: str,
        figures: tuple[Sequence[float], Sequence[float]],
        expected: Expectation | None = None,
        notes: str = "",
    ) -> None:
        """Add a row of two paired lists of figures. The ratio divides the first by the second."""
        ours, theirs = figures
        medians = spread(ours).median, spread(theirs).median
        self.rows.append(Row(line, measure, against, unit, *medians, paired(ours, theirs), expected, notes))

    def add_own(
        self,
        line: str,
        measure: str,
        unit: str,
        figures: Sequence[float],
        expected: Expectation | None,
        notes: str = "",
    ) -> None:
        """Add a row that has only genai's figures."""
        found = spread(figures)
        ranged = f"{found.low:.3g} to {found.high:.3g}, {found.count} runs" if found.count > 1 else ""
        joined = "; ".join(part for part in (ranged, notes) if part)
        self.rows.append(Row(line, measure, "", unit, found.median, expected=expected, notes=joined))

    def skip(self, line: str, reason: str) -> None:
        """Note a line that is not measured."""
        self.skips.append(Skip(line, reason))

    def lacks(self, line: str, command: str, option: str) -> bool:
        """Whether genai does not have the option. If so, the line is noted as skipped."""
        if option in read_help(command):
            return False
        self.skip(line, f"skipped: this genai has no {option}")
        return True


@dataclass(frozen=True)
class Line:
    """One line of the benchmark: what it measures, and how."""

    name: str
    about: str
    run: Callable[[Bench], None]


@cache
def read_help(command: str) -> str:
    """The help text of a genai command."""
    asked = [str(BIN / "genai"), command, "--help"]
    wide = os.environ | {"COLUMNS": "200"}
    return subprocess.run(asked, capture_output=True, text=True, check=True, env=wide).stdout


def records(sample: Sample) -> list[dict[str, Any]]:
    """The records that a command wrote with --json, one per line."""
    return [json.loads(line) for line in sample.stdout.splitlines()]


def model_seconds(sample: Sample) -> float:
    """The seconds that the model took for the items of a command, according to their records."""
    return float(sum(record["seconds"]["generate"] for record in records(sample)))


def walls(samples: Iterable[Sample]) -> list[float]:
    """Wall times in seconds."""
    return [sample.wall for sample in samples]


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write a file of jobs or prompts, one JSON object per line."""
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file
