"""`python -m tools.train.audio --out DIR --minutes 60`: train, export to DIR/model, measure, and write the report.

The same command resumes from the checkpoints in DIR. Once the time is spent, it only measures.
"""

import argparse
import logging
from pathlib import Path

import torch

from tools.train.audio.figures import measure_model
from tools.train.audio.recipe import train
from tools.train.audio.report import Cost, write_card, write_report
from tools.train.audio.sheet import write_sheet


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, model and report")
    parser.add_argument("--minutes", type=float, required=True, help="time for training, over all runs of the command")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Run the recipe with the command line's arguments."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    trained = train(folder, arguments.minutes * 60, arguments.seed)
    figures = measure_model(folder / "model")
    cost = Cost(arguments.minutes, trained.seconds / 60, trained.steps)
    write_sheet(figures.shown, folder / "spectrograms.png")
    write_report(folder, figures, cost)
    write_card(folder / "model", figures, cost)


if __name__ == "__main__":
    main()
