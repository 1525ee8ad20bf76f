"""The report of the recipe and the model card, both from measured figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.train.text.measure import NEW_TOKENS, SAMPLES_A_PROMPT, TextFigures


@dataclass(frozen=True)
class TrainingFacts:
    """What the card says about the training."""

    books: int
    tokens: int
    passes: float
    parameters: int
    minutes: float
    seed: int


def write_report(path: Path, figures: TextFigures) -> None:
    """Write the Markdown report to `path`."""
    parts = ["# The small prose model: measured", figure_table(figures), continuation_list(figures)]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def write_card(folder: Path, figures: TextFigures, facts: TrainingFacts) -> None:
    """Write the model card, README.md in `folder`."""
    template = Path(__file__).with_name("card.md").read_text(encoding="utf-8")
    card = template.format(
        megabytes=f"{(folder / 'model.safetensors').stat().st_size / 1e6:.1f}",
        parameters=f"{facts.parameters / 1e6:.1f}",
        books=facts.books,
        tokens=f"{facts.tokens / 1e6:.1f}",
        passes=f"{facts.passes:.1f}",
        minutes=f"{facts.minutes:g}",
        seed=facts.seed,
        figures=figure_table(figures),
        continuations=continuation_list(figures),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def figure_table(figures: TextFigures) -> str:
    """The figures beside their bars, as a Markdown table."""
    rows = ["| Figure | Measured | Bar |", "|---|---|---|"]
    for name, bits in figures.bits_per_byte.items():
        rows.append(f"| Bits per byte on {name} (never trained on) | {bits:.3f} | at most 1.60 |")
    made = f"{len(figures.continuations) * SAMPLES_A_PROMPT} continuations of {NEW_TOKENS} tokens"
    rows += [
        f"| Words in the training books, of the words made ({made}) | {figures.known_words:.1%} | at least 97% |",
        f"| The same share of the held-out novels' own words | {figures.known_words_held_out:.1%} | |",
        f"| Finished paragraphs whose quotation marks come in pairs | {figures.closed_quotes:.1%} | |",
        f"| The same share of the held-out novels' own paragraphs | {figures.closed_quotes_held_out:.1%} | |",
    ]
    return "\n".join(rows)


def continuation_list(figures: TextFigures) -> str:
    """The sampled continuations as Markdown quotes, the prompt in bold."""
    blocks = []
    for item in figures.continuations:
        text = item.text.replace("\n", "\n> ")
        blocks.append(f"> **{item.prompt}**{text}")
    return "\n\n".join(blocks)
