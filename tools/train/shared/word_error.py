"""How many words were heard wrongly."""

from __future__ import annotations

import re
from collections.abc import Sequence


def find_words(text: str) -> list[str]:
    """The words of a text in lower case, without marks."""
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)*", text.lower())


def word_distance(said: Sequence[str], heard: Sequence[str]) -> int:
    """The fewest words to replace, add or take away to get from `said` to `heard`."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        above, row = row, [i] + [0] * len(heard)
        for j, other in enumerate(heard, 1):
            row[j] = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (word != other))
    return row[-1]


def word_error(pairs: Sequence[tuple[str, str]]) -> float:
    """Word errors by words said, over pairs of (said, heard)."""
    split = [(find_words(said), find_words(heard)) for said, heard in pairs]
    return sum(word_distance(*pair) for pair in split) / sum(len(said) for said, _ in split)
