"""Measure an exported speaking model: `python -m tools.train.speak.evaluate FOLDER --data DIR --transcriber FOLDER`."""

import argparse
from pathlib import Path

from tools.train.speak.measure import heard_words, held_out_texts, say_on_one_tone, speaker, whisper_listener


def main() -> None:
    """Print the shares of words heard: of the model, and of what it learned from."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.speak.evaluate", description=__doc__)
    parser.add_argument("folder", type=Path, help="the exported model")
    parser.add_argument("--data", type=Path, required=True, help="folder of novels, including the held-out ones")
    parser.add_argument("--transcriber", type=Path, required=True, help="folder of a Whisper that listens")
    parser.add_argument("--count", type=int, default=50, help="sentences (default: %(default)s)")
    arguments = parser.parse_args()
    texts = held_out_texts(arguments.data, arguments.count, seed=0)
    listen = whisper_listener(arguments.transcriber)
    for name, speak in (("model", speaker(arguments.folder)), ("flite on one tone", say_on_one_tone)):
        print(f"{name}: {heard_words(speak, listen, texts):.1%} of the words of {len(texts)} sentences are heard")


if __name__ == "__main__":
    main()
