"""Measure an exported prose model: `python -m tools.train.text.evaluate FOLDER --data DIR`."""

import argparse
from pathlib import Path

from tools.train.text.measure import measure
from tools.train.text.report import continuation_list, figure_table


def main() -> None:
    """Print the figures of an exported folder."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.text.evaluate", description=__doc__)
    parser.add_argument("folder", type=Path, help="the exported model")
    parser.add_argument("--data", type=Path, required=True, help="folder of novels, including the held-out ones")
    arguments = parser.parse_args()
    figures = measure(arguments.folder, arguments.data)
    print(figure_table(figures))
    print(continuation_list(figures))


if __name__ == "__main__":
    main()
