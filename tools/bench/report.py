"""The measurements as rows of a table and as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools.bench.measure import Sample, Spread

BEGIN, END = "<!-- begin: written by tools.bench -->", "<!-- end: written by tools.bench -->"
HEAD = ("line", "measured", "held against", "genai", "other", "ratio (least to most)", "expected", "met", "notes")


@dataclass(frozen=True)
class Expectation:
    """A bound on a row's ratio, or on genai's own figure if there is no ratio."""

    bound: float
    at_least: bool = False

    def text(self) -> str:
        """The bound as the table shows it."""
        return f"{'at least' if self.at_least else 'at most'} {self.bound:g}"

    def is_met(self, value: float) -> bool:
        """Whether the value is within the bound."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Row:
    """One measurement. `ours` and `theirs` are medians in `unit`. `ratio` is that of the pairs, as `measure` says."""

    line: str
    measure: str
    against: str
    unit: str
    ours: float
    theirs: float | None = None
    ratio: Spread | None = None
    expected: Expectation | None = None
    notes: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the expectation is met (None if there is no expectation)."""
        if self.expected is None:
            return None
        return self.expected.is_met(self.ratio.median if self.ratio else self.ours)

    def cells(self) -> list[str]:
        """The row of the table."""
        ratio = self.ratio
        return [
            self.line,
            self.measure,
            self.against,
            figure(self.ours, self.unit),
            "" if self.theirs is None else figure(self.theirs, self.unit),
            f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f}, {counted(ratio.count, 'pair')})"
            if ratio
            else "",
            self.expected.text() if self.expected else "",
            {None: "", True: "yes", False: "**no**"}[self.met],
            self.notes,
        ]


@dataclass(frozen=True)
class Skip:
    """A line or measurement that was skipped, and why."""

    line: str
    reason: str


def figure(value: float, unit: str) -> str:
    """A value with three significant digits, and its unit."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f} {unit}".strip()


def counted(number: int, what: str) -> str:
    """A number of things: 1 pair, 5 pairs."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [HEAD, ["---"] * len(HEAD), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def markdown(facts: Mapping[str, str], rows: Sequence[Row], skips: Sequence[Skip]) -> str:
    """The whole report: where and when, the table, and what was not measured."""
    parts = ["\n".join(f"- {name}: {value}" for name, value in facts.items()), table(rows)]
    if skips:
        parts.append("Not measured:\n\n" + "\n".join(f"- {skip.line}: {skip.reason}" for skip in skips))
    return "\n\n".join(parts)


def write_json(
    file: Path,
    facts: Mapping[str, str],
    rows: Sequence[Row],
    skips: Sequence[Skip],
    samples: Mapping[str, Mapping[str, Sequence[Sample]]],
) -> None:
    """Write the report with every single run."""
    runs = {
        line: {name: [timing(sample) for sample in taken] for name, taken in commands.items()}
        for line, commands in samples.items()
    }
    rows_with_ends = [asdict(row) | {"met": row.met} for row in rows]
    report = {"facts": facts, "rows": rows_with_ends, "not_measured": [asdict(skip) for skip in skips], "runs": runs}
    file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def timing(sample: Sample) -> dict[str, Any]:
    """The figures of one run."""
    return {"wall": round(sample.wall, 4), "cpu": round(sample.cpu, 4), "peak": sample.peak}


def write_page(page: Path, report: str) -> None:
    """Put the report between the two markers of a page. Raises ValueError if the page does not have them."""
    text = page.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{page} has no place for the report: it must contain {BEGIN} and {END} exactly once")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n\n{report}\n\n{END}{after}", encoding="utf-8")
