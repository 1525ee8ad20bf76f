"""Which phones each letter stands for: a monotone alignment, found without a dictionary by counting again and again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MOST_PHONES = 3
"""of one letter: `x` alone is read out as three"""
NEVER = -20.0
PAUSE = "pau"
Floats = NDArray[np.float32]


class LetterAligner:
    """Log probabilities of phones by letter, and of how many phones a letter stands for."""

    def __init__(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> None:
        self.letters = {letter: i for i, letter in enumerate(sorted({c for text, _ in pairs for c in text}))}
        self.phones = {phone: i for i, phone in enumerate(sorted({p for _, phones in pairs for p in phones}))}
        pause = np.array([phone == PAUSE for phone in self.phones])
        mark = np.array([not letter.isalpha() for letter in self.letters])
        # Only marks and spaces are pauses, and they are nothing else.
        self._allowed = np.where(mark[:, None] == pause[None, :], 0.0, NEVER).astype(np.float32)
        self._emission = self._allowed.copy()
        self._count = np.log(np.array([0.25, 0.65, 0.09, 0.01], dtype=np.float32))[None].repeat(len(self.letters), 0)

    def fit(self, pairs: Sequence[tuple[str, Sequence[str]]], rounds: int = 8) -> None:
        """Learn from texts and their phones: first from places along the diagonal, then from alignments."""
        seen = np.full((len(self.letters), len(self.phones)), 0.01)
        for text, phones in pairs:
            ids, sounds = self._ids(text, phones)
            place = np.abs(np.arange(len(ids))[:, None] / len(ids) - np.arange(len(sounds))[None] / len(sounds))
            np.add.at(seen, (ids[:, None], sounds[None]), np.exp(-((place * len(ids) / 2.0) ** 2)))
        self._set(seen, None)
        for _ in range(rounds):
            seen = np.full((len(self.letters), len(self.phones)), 0.05)
            counts = np.full((len(self.letters), MOST_PHONES + 1), 0.5)
            for (text, phones), shares in zip(pairs, self.align(pairs), strict=True):
                ids, sounds = self._ids(text, phones)
                np.add.at(counts, (ids, shares), 1.0)
                np.add.at(seen, (np.repeat(ids, shares), sounds), 1.0)
            self._set(seen, counts)

    def align(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[NDArray[np.int64]]:
        """For each text the number of phones of each of its letters, shape (letters,). They add up to its phones."""
        return [self._align(*self._ids(text, phones)) for text, phones in pairs]

    def _ids(self, text: str, phones: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return np.array([self.letters[c] for c in text]), np.array([self.phones[p] for p in phones])

    def _set(self, seen: NDArray[np.float64], counts: NDArray[np.float64] | None) -> None:
        self._emission = np.log(seen / seen.sum(1, keepdims=True)).astype(np.float32) + self._allowed
        if counts is not None:
            self._count = np.log(counts / counts.sum(1, keepdims=True)).astype(np.float32)

    def _align(self, ids: NDArray[np.int64], sounds: NDArray[np.int64]) -> NDArray[np.int64]:
        total = np.zeros((len(ids), len(sounds) + 1), dtype=np.float32)
        np.cumsum(self._emission[ids][:, sounds], axis=1, out=total[:, 1:])
        best = np.full(len(sounds) + 1, -np.inf, dtype=np.float32)
        best[0] = 0.0
        choice = np.zeros((len(ids), len(sounds) + 1), dtype=np.int8)
        for i, letter in enumerate(ids):
            options = np.full((MOST_PHONES + 1, len(best)), -np.inf, dtype=np.float32)
            for k in range(min(MOST_PHONES, len(sounds)) + 1):
                gained = total[i, k:] - total[i, : len(best) - k]
                options[k, k:] = best[: len(best) - k] + gained + self._count[letter, k]
            choice[i] = options.argmax(0)
            best = options.max(0)
        shares = np.zeros(len(ids), dtype=np.int64)
        place = len(sounds)
        for i in range(len(ids) - 1, -1, -1):
            shares[i] = choice[i, place]
            place -= shares[i]
        return shares
