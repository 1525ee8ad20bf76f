"""The report and the model card, with the figures filled in."""

from dataclasses import dataclass
from pathlib import Path

from tools.train.audio.figures import Figures
from tools.train.audio.tables import figures_tables


@dataclass(frozen=True)
class Cost:
    """The cost of the training: minutes in all and for the decoder, and the decoder's optimizer steps."""

    minutes: float
    decoder_minutes: float
    decoder_steps: int


def write_report(folder: Path, figures: Figures, cost: Cost) -> None:
    """Write report.md into the folder, beside the spectrograms."""
    text = (
        "# The small audio model: report\n\n"
        f"{cost.minutes:g} minutes of training on one CPU core, {cost.decoder_minutes:.0f} of them for the decoder "
        f"({cost.decoder_steps:,} steps).\n"
        "Measured on the exported float16 weights through TextToAudioPipeline.\n\n"
        f"{figures_tables(figures)}\n\n"
        "The ten prompts' sounds as spectrograms, 0 to 8 kHz:\n\n![spectrograms](spectrograms.png)\n"
    )
    (folder / "report.md").write_text(text, encoding="utf-8")


def write_card(folder: Path, figures: Figures, cost: Cost) -> None:
    """Fill the model card's template with the figures and write it as README.md into the exported folder."""
    template = Path(__file__).with_name("card.md").read_text(encoding="utf-8")
    text = template.format(
        tables=figures_tables(figures),
        megabytes=f"{figures.megabytes:.1f}",
        minutes=f"{cost.minutes:g}",
        decoder_minutes=f"{cost.decoder_minutes:.0f}",
        steps=f"{cost.decoder_steps:,}",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
