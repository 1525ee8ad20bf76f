"""Where in a clip each of its words is said."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from tools.train.shared.speech import Order, Spoken, say

PAUSE = "pau"


def place_words(order: Order, spoken: Spoken, end: float) -> NDArray[np.float64] | None:
    """When each word begins and ends in s, (words, 2); None if it cannot be told. The sound is silent from `end` on.

    Words follow each other at once: each lasts until the next one begins.
    """
    words = order.text.split()
    begins = _of_phones(words, order.voice, spoken) if spoken.phones else _of_places(words, spoken.begins)
    if begins is None:
        return None
    known = [*begins, len(words)]
    bounds = np.interp(range(len(words) + 1), known, [*begins.values(), end])
    return np.stack([bounds[:-1], bounds[1:]], 1) if bool((np.diff(bounds) > 0).all()) else None


def _of_phones(words: list[str], voice: str, spoken: Spoken) -> dict[int, float] | None:
    """When each word begins, if each has as many phones as when it is said alone."""
    counts = [_count_phones(word, voice) for word in words]
    begins, last = [], 0.0
    for name, end in spoken.phones:
        if name != PAUSE:
            begins.append(last)
        last = end
    if sum(counts) != len(begins):
        return None
    return {number: begins[place] for number, place in enumerate(np.cumsum([0, *counts[:-1]]))}


@cache
def _count_phones(word: str, voice: str) -> int:
    return sum(name != PAUSE for name, _ in say(Order(word, "flite", voice)).phones)


def _of_places(words: list[str], begins: dict[int, float]) -> dict[int, float] | None:
    """Words that are said as one ("of the") have one beginning; they will share the time evenly."""
    places = np.cumsum([0, *(len(word) + 1 for word in words[:-1])]).tolist()
    found = {number: begins[place] for number, place in enumerate(places) if place in begins}
    return found if 0 in found else None
