"""The report of the recipe and the model card, both from measured figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.train.classify.data import LABELS
from tools.train.classify.evaluate import ClassifyFigures, probabilities

SAMPLES = (
    "This movie is disgustingly good !",
    "What a waste of time",
    "not bad at all",
    "I do not recommend it",
    "It starts well, but the second half is a mess.",
    "The train leaves at ten past four.",
)


@dataclass(frozen=True)
class TrainingFacts:
    """What the card says about the training."""

    reviews: int
    minutes: float
    seed: int
    temperature: float


def write_report(path: Path, folder: Path, figures: ClassifyFigures) -> None:
    """Write the Markdown report of the model in `folder` to `path`."""
    parts = ["# The small classifier: measured", _figure_table(figures), _mistakes(figures), _samples(folder)]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def write_card(folder: Path, figures: ClassifyFigures, facts: TrainingFacts) -> None:
    """Write the model card, README.md in `folder`."""
    template = Path(__file__).with_name("card.md").read_text(encoding="utf-8")
    card = template.format(
        megabytes=f"{(folder / 'model.safetensors').stat().st_size / 1e6:.1f}",
        reviews=f"{facts.reviews:,}",
        minutes=f"{facts.minutes:g}",
        seed=facts.seed,
        temperature=f"{facts.temperature:.2f}",
        figures=_figure_table(figures),
        mistakes=_mistakes(figures),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def _figure_table(figures: ClassifyFigures) -> str:
    return "\n".join(
        [
            "| Figure | Measured | Bar |",
            "|---|---|---|",
            f"| Accuracy, {figures.validation_sentences} held-back review sentences "
            f"| {figures.validation_accuracy:.1%} | at least 78% |",
            f"| Expected calibration error on them (10 bins) | {figures.calibration_error:.3f} | at most 0.05 |",
            f"| Plain cases right, of {figures.plain_cases} | {figures.plain_accuracy:.1%} | 100% |",
        ]
    )


def _mistakes(figures: ClassifyFigures) -> str:
    if not figures.plain_mistakes:
        return "No plain case is on the wrong side."
    rows = [f"| {text} | {probability:.2f} |" for text, probability in figures.plain_mistakes]
    return "\n".join(["Plain cases on the wrong side:", "", "| Text | P(POSITIVE) |", "|---|---|", *rows])


def _samples(folder: Path) -> str:
    rows = ["| Text | Label | Score |", "|---|---|---|"]
    for text, positive in zip(SAMPLES, probabilities(folder, list(SAMPLES)), strict=True):
        rows.append(f"| {text} | {LABELS[positive >= 0.5]} | {max(positive, 1 - positive):.2f} |")
    return "\n".join(rows)
