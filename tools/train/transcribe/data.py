"""The clips: sentences of known words in many voices, and windows of several clips with their times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint
from tools.train.shared.sentences import read_sentences
from tools.train.shared.speech import SAMPLING_RATE, say_all, trim
from tools.train.transcribe.tokens import (
    END,
    GRID,
    NO_TIMES,
    PREVIOUS,
    SECONDS,
    SILENCE,
    START,
    first_time,
    token_id,
    word_ids,
)
from tools.train.transcribe.voices import order
from tools.train.transcribe.words import find_fragments, write_sentence

LENGTH = SECONDS * SAMPLING_RATE
MOST_SEGMENTS = 6
FIRST_STEPS = 400
"""after which windows have one clip more, up to MOST_SEGMENTS"""
IGNORED = -100


@dataclass(frozen=True)
class Clips:
    """Texts and their int16 samples, one after another: clip i is samples[starts[i] : starts[i] + lengths[i]]."""

    texts: list[str]
    samples: NDArray[np.int16]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def make_clips(texts: list[str], seed: int, processes: int, held_out: bool = False) -> Clips:
    """Each text by a voice of its own, without the silence at both ends."""
    rng = np.random.default_rng([seed, int(held_out)])
    orders = [order(text, rng, held_out) for text in texts]
    kept, parts = [], []
    for text, said in zip(texts, say_all(orders, processes), strict=True):
        first, last = trim(said.samples)
        if 0.1 * SAMPLING_RATE < last - first < 0.9 * LENGTH:
            kept.append(text)
            parts.append(said.samples[first:last])
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    return Clips(kept, np.concatenate(parts), np.cumsum(lengths) - lengths, lengths)


def training_texts(data: Path, count: int, seed: int) -> list[str]:
    """Sentences to train on."""
    rng = np.random.default_rng([seed, 11])
    fragments = find_fragments(read_sentences(data, held_out=False, longest=200))
    return [write_sentence(rng, fragments) for _ in range(count)]


def unseen_texts(data: Path, count: int, seed: int, seen: set[str]) -> list[str]:
    """Sentences that are not among those seen; their fragments are of the held-out novels."""
    rng = np.random.default_rng([seed, 12])
    fragments = find_fragments(read_sentences(data, held_out=True, longest=200))
    found: dict[str, None] = {}
    while len(found) < count:
        text = write_sentence(rng, fragments)
        if text not in seen:
            found[text] = None
    return list(found)


def load_clips(data: Path, work: Path, count: int, seed: int, processes: int) -> Clips:
    """The clips to train on, from `work` if they were made before."""
    path = work / "clips.pt"
    saved = load_checkpoint(path)
    if saved is not None:
        return Clips(saved["texts"], *(saved[name].numpy() for name in ("samples", "starts", "lengths")))
    clips = make_clips(training_texts(data, count, seed), seed, processes)
    # As tensors: a pickle of an array of this size is slow.
    arrays = {"samples": clips.samples, "starts": clips.starts, "lengths": clips.lengths}
    save_checkpoint(path, {"texts": clips.texts, **{name: torch.from_numpy(part) for name, part in arrays.items()}})
    return clips


@dataclass(frozen=True)
class Plan:
    """Where the clips of a batch of windows stand, and what is to be written.

    starts, lengths (of clips), places (samples in the window) and rates have the shape (windows, MOST_SEGMENTS);
    a length of 0 is no clip. tokens and labels have the shape (windows, tokens).
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    places: NDArray[np.int64]
    rates: NDArray[np.float32]
    tokens: NDArray[np.int64]
    labels: NDArray[np.int64]


class Planner:
    """Draws windows. A window has up to MOST_SEGMENTS clips with pauses, a cut clip at its end, or nobody's speech."""

    def __init__(self, clips: Clips, seed: int, size: int) -> None:
        self._clips, self._seed, self._size = clips, seed, size
        ids = word_ids()
        self._words = [[ids[word] for word in text.split()] for text in clips.texts]

    def __len__(self) -> int:
        return 10_000_000

    def __getitem__(self, step: int) -> Plan:
        """The batch of that step; always the same one."""
        rng = np.random.default_rng([self._seed, 1, step])
        shape = (self._size, MOST_SEGMENTS)
        starts, lengths, places = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        rates = np.ones(shape, dtype=np.float32)
        most = min(MOST_SEGMENTS, 1 + step // FIRST_STEPS)
        rows = [self._window(rng, most, starts[i], lengths[i], places[i], rates[i]) for i in range(self._size)]
        longest = max(len(tokens) for tokens, _ in rows)
        tokens = np.full((self._size, longest), token_id(END), dtype=np.int64)
        labels = np.full((self._size, longest), IGNORED, dtype=np.int64)
        for i, (told, wanted) in enumerate(rows):
            tokens[i, : len(told)], labels[i, : len(wanted)] = told, wanted
        return Plan(starts, lengths, places, rates, tokens, labels)

    def _window(
        self,
        rng: np.random.Generator,
        most: int,
        starts: NDArray[np.int64],
        lengths: NDArray[np.int64],
        places: NDArray[np.int64],
        rates: NDArray[np.float32],
    ) -> tuple[list[int], list[int]]:
        timed = rng.random() < 0.65
        if rng.random() < 0.05:
            begin = [token_id(START), first_time() if timed else token_id(NO_TIMES)]
            return begin, [token_id(SILENCE), token_id(END)]
        wanted: list[int] = [] if timed else [token_id(NO_TIMES)]
        place = 0.0 if rng.random() < 0.25 else rng.exponential(0.5)
        place = min(place, 4.0)
        count = int(rng.integers(1, most + 1))
        for slot in range(count):
            clip = int(rng.integers(len(self._words)))
            rate = float(rng.uniform(0.9, 1.1))
            lasting = self._clips.lengths[clip] / rate / SAMPLING_RATE
            cut = place + lasting > SECONDS
            if cut and (slot == 0 or not timed or place > SECONDS - 0.3 or rng.random() < 0.5):
                if slot == 0:
                    place = max(0.0, SECONDS - lasting - 0.01) * rng.random()
                else:
                    break
                cut = False
            starts[slot], lengths[slot] = self._clips.starts[clip], self._clips.lengths[clip]
            places[slot], rates[slot] = round(place * SAMPLING_RATE), rate
            if cut:
                wanted.append(_time(place))
                break
            text = self._words[clip]
            wanted += [_time(place), *text, _time(place + lasting)] if timed else text
            place += lasting + rng.uniform(0.2, 1.3)
        wanted.append(token_id(END))
        begin = [token_id(START)]
        if rng.random() < 0.08:
            before = self._words[int(rng.integers(len(self._words)))]
            begin = [token_id(PREVIOUS), *before, *begin]
        return begin + wanted[:-1], [IGNORED] * (len(begin) - 1) + wanted


def _time(seconds: float) -> int:
    return first_time() + min(round(seconds / GRID), round(SECONDS / GRID))
