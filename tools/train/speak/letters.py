"""Which letters make which phones: learned from pairs of texts and phones, as printed in no dictionary.

Each letter says no phone, one or two, in order: hard expectation maximisation over the alignments (as Black, Lenzo and
Pagel, Issues in Building General Letter to Sound Rules, 1998).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALPHABET = " abcdefghijklmnopqrstuvwxyz'.,?!;:-"
_MARKS = frozenset(" .,?!;:-")
PAUSE = "pau"
ROUNDS = 6
_SMALL = 0.02

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Chances:
    """Logarithms: counts (letters, 3) of saying so many phones; phones (2, letters, phones) of the first and second."""

    counts: Array
    phones: Array


def first_chances(names: Sequence[str]) -> Chances:
    """What is known before: marks pause or say nothing, letters never pause."""
    counts = np.tile(np.log([0.25, 0.7, 0.05]), (len(ALPHABET), 1))
    phones = np.zeros((2, len(ALPHABET), len(names)))
    for number, letter in enumerate(ALPHABET):
        if letter in _MARKS:
            counts[number] = np.log([0.8, 0.2 - 1e-6, 1e-6])
        for other, name in enumerate(names):
            phones[:, number, other] = 0.0 if (name == PAUSE) == (letter in _MARKS) else -12.0
    # A first guess for consonants, from the first letter of a phone's name.
    for number, letter in enumerate(ALPHABET):
        for other, name in enumerate(names):
            if name[0] == letter and name != PAUSE:
                phones[:, number, other] += 2.0
    return Chances(counts, phones)


def align(letters: Sequence[int], phones: Sequence[int], chances: Chances) -> list[int] | None:
    """How many phones each letter says, or None if there are too many phones."""
    many, said = len(letters), np.asarray(phones)
    first = chances.phones[0][:, said]
    second = np.full_like(first, -np.inf)
    second[:, :-1] = first[:, :-1] + chances.phones[1][:, said[1:]]
    best = np.full((many + 1, len(said) + 1), -np.inf)
    best[0, 0] = 0.0
    taken = np.zeros((many, len(said) + 1), dtype=np.int8)
    for place, letter in enumerate(letters):
        options = np.full((3, len(said) + 1), -np.inf)
        none, one, two = chances.counts[letter]
        options[0] = best[place] + none
        options[1, 1:] = best[place, :-1] + one + first[letter]
        options[2, 2:] = best[place, :-2] + two + second[letter, :-1]
        taken[place] = options.argmax(0)
        best[place + 1] = options.max(0)
    if not np.isfinite(best[many, -1]):
        return None
    counts, at = [], len(said)
    for place in reversed(range(many)):
        counts.append(int(taken[place, at]))
        at -= counts[-1]
    return counts[::-1]


def learn_chances(pairs: Sequence[tuple[Sequence[int], Sequence[int]]], names: Sequence[str]) -> Chances:
    """The chances that the pairs of letters and phones (numbers of `names`) agree with best."""
    chances = first_chances(names)
    for _ in range(ROUNDS):
        counts = np.full_like(chances.counts, _SMALL)
        phones = np.full_like(chances.phones, _SMALL)
        for letters, said in pairs:
            at = 0
            for letter, count in zip(letters, align(letters, said, chances) or [], strict=False):
                counts[letter, count] += 1
                for order in range(count):
                    phones[order, letter, said[at + order]] += 1
                at += count
        chances = Chances(_logarithms(counts), _logarithms(phones))
    return chances


def _logarithms(counts: Array) -> Array:
    return np.asarray(np.log(counts / counts.sum(-1, keepdims=True)))


def frames_of_letters(counts: Sequence[int], ends: Sequence[float], frames: int) -> list[int] | None:
    """The frames of each letter, at least one each and `frames` in all, from its phones and their ends in frames.

    None if there are more letters than frames.
    """
    if len(counts) > frames:
        return None
    said = np.cumsum(counts)
    wanted = np.round(np.concatenate([[0.0], ends])[said]).astype(int)
    wanted[-1] = frames
    places = [0]
    for number, end in enumerate(wanted):
        left = len(counts) - number - 1
        places.append(int(min(max(end, places[-1] + 1), frames - left)))
    return np.diff(places).tolist()
