"""Variants of review sentences: words dropped, clauses moved, halves of two sentences joined."""

from __future__ import annotations

import random
import re


def drop_words(text: str, share: float, source: random.Random) -> str:
    """The text with about `share` of its words replaced by [UNK]. Negations are never replaced."""
    negations = {"not", "no", "never", "nothing", "nor", "neither", "without", "but", "hardly"}
    words = text.split()
    return " ".join(
        "[UNK]" if source.random() < share and word not in negations and "n't" not in word else word for word in words
    )


def move_clauses(text: str, source: random.Random) -> str:
    """The text with its comma-separated clauses in another order. A text with "but" keeps its order and its meaning."""
    clauses = re.split(r" [,;] ", text)
    if len(clauses) > 1 and " but " not in text:
        source.shuffle(clauses)
    return " , ".join(clauses)


def splice(first: str, second: str, source: random.Random) -> str:
    """The beginning of one text followed by the end of another. Each is cut at a random word."""
    head, tail = first.split(), second.split()
    return " ".join(head[: source.randint(1, len(head))] + tail[-source.randint(1, len(tail)) :])
