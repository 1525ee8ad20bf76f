"""Measure an exported model on prompts held out from training: `python -m tools.train.audio.evaluate FOLDER`."""

import argparse
from pathlib import Path

from tools.train.audio.figures import measure_model
from tools.train.audio.tables import figures_tables


def main() -> None:
    """Measure the model in the given folder and print its tables of figures."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.audio.evaluate", description=__doc__)
    parser.add_argument("folder", type=Path, help="the exported model")
    print(figures_tables(measure_model(parser.parse_args().folder)))


if __name__ == "__main__":
    main()
