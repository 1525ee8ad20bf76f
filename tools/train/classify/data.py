"""Labelled sentences, and a key to compare them."""

from __future__ import annotations

import csv
import random
import re
from dataclasses import dataclass
from pathlib import Path

LABELS = ("NEGATIVE", "POSITIVE")
PLAIN_CASES = Path(__file__).with_name("plain_cases.tsv")


@dataclass(frozen=True)
class Sentence:
    """A text and its label: 0 is NEGATIVE, 1 is POSITIVE."""

    text: str
    label: int


def read_sentences(path: Path) -> list[Sentence]:
    """Rows of a tab-separated file with the columns `label` and `text`."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Sentence(row["text"], LABELS.index(row["label"])) for row in rows]


def word_key(text: str) -> str:
    """The words of a text without case and punctuation. Equal keys mean the same sentence."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def split_off(sentences: list[Sentence], share: float, seed: int) -> tuple[list[Sentence], list[Sentence]]:
    """(kept, split off). The second has `share` of the sentences, drawn with `seed`."""
    shuffled = sentences.copy()
    random.Random(seed).shuffle(shuffled)
    count = round(len(shuffled) * share)
    return shuffled[count:], shuffled[:count]
