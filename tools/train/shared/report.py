"""The report and the model card of the recipes that fit in some minutes, with the figures filled in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tools.train.shared.averaged import Trained
from tools.train.shared.halves import megabytes

FACTS = "facts.json"
DEVICES = {"cuda": "one GPU, shared with other work", "cpu": "one CPU core"}


@dataclass(frozen=True)
class TrainingFacts:
    """What the card says about the training. `model_pictures` were made by the small image model."""

    parameters: int
    steps: int
    seconds: float
    examples: int
    batch: int
    device: str
    model_pictures: int = 0


def note_facts(out: Path, facts: TrainingFacts) -> None:
    """Note what a training begins with, for the card."""
    (out / FACTS).write_text(json.dumps(asdict(facts)), encoding="utf-8")


def read_facts(out: Path, trained: Trained) -> TrainingFacts:
    """What was noted, with how much was trained since."""
    facts = TrainingFacts(**json.loads((out / FACTS).read_text(encoding="utf-8")))
    return replace(facts, steps=trained.steps, seconds=trained.seconds)


def write_card(template: Path, folder: Path, verb: str, table: str, facts: TrainingFacts, **more: object) -> None:
    """Write the model card, README.md in `folder`, and report.md beside it; print the table. The model `verb`s."""
    card = template.read_text(encoding="utf-8").format(
        parameters=f"{facts.parameters / 1e6:.1f}M",
        megabytes=f"{megabytes(folder):.1f}",
        minutes=f"{facts.seconds / 60:.1f}",
        steps=f"{facts.steps:,}",
        examples=f"{facts.examples:,}",
        batch=facts.batch,
        device=DEVICES[facts.device],
        model_pictures=facts.model_pictures,
        table=table,
        **more,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    report = f"# The small model that {verb}s: measured\n\n{facts}\n\n{table}\n"
    (folder.parent / "report.md").write_text(report, encoding="utf-8")
    print(table)
