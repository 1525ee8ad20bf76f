"""Figures of generated prose, from the text alone."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from tools.train.text.books import find_words


def bits_per_byte(nats: float, text: str) -> float:
    """Negative log-likelihood of `text`, given in nats, as bits for each of its UTF-8 bytes."""
    return nats / math.log(2) / len(text.encode("utf-8"))


def known_word_share(texts: Sequence[str], known: Collection[str]) -> float:
    """Share of the words of `texts` that are in `known` (lower case)."""
    words = [word for text in texts for word in find_words(text)]
    if not words:
        raise ValueError("no words in these texts")
    return sum(word in known for word in words) / len(words)


def closed_quote_share(texts: Sequence[str]) -> float:
    """Share of paragraphs whose quotation marks come in pairs, among finished paragraphs with quotation marks.

    The last paragraph of each text is left out because it may be cut. The result is 1 if no finished paragraph has any.
    """
    finished = [part for text in texts for part in text.split("\n\n")[:-1] if '"' in part]
    if not finished:
        return 1.0
    return sum(part.count('"') % 2 == 0 for part in finished) / len(finished)
