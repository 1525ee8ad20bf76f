"""Measure an exported speaking model: `python -m tools.train.speak.evaluate FOLDER --data DIR --transcriber FOLDER`."""

import argparse
from pathlib import Path

from tools.train.speak.measure import heard_words, held_out_texts


def main() -> None:
    """Print the share of words heard."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.speak.evaluate", description=__doc__)
    parser.add_argument("folder", type=Path, help="the exported model")
    parser.add_argument("--data", type=Path, required=True, help="folder of novels, including the held-out ones")
    parser.add_argument("--transcriber", type=Path, required=True, help="folder of a Whisper that listens")
    parser.add_argument("--count", type=int, default=50, help="sentences (default: %(default)s)")
    arguments = parser.parse_args()
    texts = held_out_texts(arguments.data, arguments.count, seed=0)
    print(f"words heard: {heard_words(arguments.folder, arguments.transcriber, texts):.1%} of {len(texts)} sentences")


if __name__ == "__main__":
    main()
