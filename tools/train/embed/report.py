"""The report and the model card, with the figures filled in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.train.embed.evaluate import Figures, figures_table
from tools.train.shared.halves import megabytes

DEVICES = {"cuda": "one GPU, shared with other work", "cpu": "one CPU core"}


@dataclass(frozen=True)
class TrainingFacts:
    """What the card says about the training."""

    parameters: int
    steps: int
    seconds: float
    examples: int
    batch: int
    device: str


def write_card(folder: Path, figures: Figures, facts: TrainingFacts) -> None:
    """Write the model card, README.md in `folder`, and report.md beside the folder."""
    template = Path(__file__).with_name("card.md").read_text(encoding="utf-8")
    card = template.format(
        parameters=f"{facts.parameters / 1e6:.1f}M",
        megabytes=f"{megabytes(folder):.1f}",
        minutes=f"{facts.seconds / 60:.1f}",
        steps=f"{facts.steps:,}",
        examples=f"{facts.examples:,}",
        batch=facts.batch,
        device=DEVICES[facts.device],
        table=figures_table(figures),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    report = f"# The small model that embeds: measured\n\n{facts}\n\n{figures_table(figures)}\n"
    (folder.parent / "report.md").write_text(report, encoding="utf-8")
