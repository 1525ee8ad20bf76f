"""The report and the model card, with the figures filled in."""

from dataclasses import dataclass
from pathlib import Path

from tools.train.image.export import GUIDANCE_SCALE, STEPS
from tools.train.image.figures import Figures, figures_table


@dataclass(frozen=True)
class Cost:
    """The cost of the training."""

    autoencoder_minutes: float
    denoiser_minutes: float
    denoiser_samples: int


def write_report(folder: Path, figures: Figures, cost: Cost) -> None:
    """Write report.md into the folder, beside the contact sheet."""
    text = (
        "# The small image model: report\n\n"
        f"Autoencoder {cost.autoencoder_minutes:.0f} min, denoiser {cost.denoiser_minutes:.0f} min "
        f"({cost.denoiser_samples:,} samples) on one CPU core.\n"
        "Measured on the exported float16 weights through StableDiffusionPipeline, "
        f"{STEPS} steps, guidance {GUIDANCE_SCALE}.\n"
        "An attribute is right in a picture if it is right for every object. A shape is right if its overlap\n"
        "(intersection over union) with the requested template is at least 0.75 and above any other shape's.\n\n"
        f"{figures_table(figures)}\n![contact sheet](contact-sheet.png)\n"
    )
    (folder / "report.md").write_text(text, encoding="utf-8")


def write_card(folder: Path, figures: Figures, cost: Cost) -> None:
    """Fill the model card's template with the figures and write it as README.md into the exported folder."""
    template = Path(__file__).with_name("card.md").read_text(encoding="utf-8")
    text = template.format(
        table=figures_table(figures),
        steps=STEPS,
        guidance=GUIDANCE_SCALE,
        megabytes=f"{figures.megabytes:.1f}",
        autoencoder_minutes=f"{cost.autoencoder_minutes:.0f}",
        denoiser_minutes=f"{cost.denoiser_minutes:.0f}",
        samples=f"{cost.denoiser_samples:,}",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
