"""`python -m tools.train.image --out DIR --minutes 120`: train, export to DIR/model, measure, and write the report.

The same command resumes from the checkpoints in DIR. Once the time is spent, it only measures.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import torch

from tools.train.image.autoencoder import train_autoencoder
from tools.train.image.denoiser import BATCH_SIZE, Conditioned, train_denoiser
from tools.train.image.export import export_pipeline
from tools.train.image.figures import measure_pipeline
from tools.train.image.latents import build_pool, standardize_latents
from tools.train.image.refinement import refine_decoder
from tools.train.image.report import Cost, write_card, write_report
from tools.train.image.sheet import write_contact_sheet
from tools.train.image.tokens import build_tokenizer

AUTOENCODER_SHARE = 0.22
DECODER_SHARE = 0.04


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, model and report")
    parser.add_argument("--minutes", type=float, required=True, help="time for training, over all runs of the command")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def train(folder: Path, seconds: float, seed: int) -> Cost:
    """Train all stages and write the exported pipeline to folder/model."""
    autoencoder, autoencoder_seconds = train_autoencoder(folder, AUTOENCODER_SHARE * seconds, seed)
    standardize_latents(autoencoder, np.random.default_rng(seed))
    tokenizer = build_tokenizer(seed)
    pool = build_pool(folder, autoencoder, tokenizer, seed)

    def export(networks: Conditioned) -> None:
        export_pipeline(folder / "model", autoencoder, tokenizer, networks)

    decoder_seconds = refine_decoder(folder, autoencoder, DECODER_SHARE * seconds, seed)
    denoiser_share = 1 - AUTOENCODER_SHARE - DECODER_SHARE
    effort = train_denoiser(folder, pool, tokenizer, denoiser_share * seconds, seed, export)
    return Cost((autoencoder_seconds + decoder_seconds) / 60, effort.seconds / 60, effort.steps * BATCH_SIZE)


def main() -> None:
    """Run the recipe with the command line's arguments."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    cost = train(folder, arguments.minutes * 60, arguments.seed)
    figures = measure_pipeline(folder / "model")
    write_contact_sheet(folder / "model", folder / "contact-sheet.png")
    write_report(folder, figures, cost)
    write_card(folder / "model", figures, cost)


if __name__ == "__main__":
    main()
