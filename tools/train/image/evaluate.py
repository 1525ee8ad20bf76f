"""Measure an exported pipeline on prompts held out from training: `python -m tools.train.image.evaluate FOLDER`."""

import argparse
from pathlib import Path

from tools.train.image.figures import figures_table, measure_pipeline


def main() -> None:
    """Measure the pipeline in the given folder and print its table of figures."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.image.evaluate", description=__doc__)
    parser.add_argument("folder", type=Path, help="the exported model")
    print(figures_table(measure_pipeline(parser.parse_args().folder)))


if __name__ == "__main__":
    main()
