"""The clips: sentences of known words in many voices, and windows of some clips with their words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint
from tools.train.shared.sentences import read_sentences
from tools.train.shared.speech import SAMPLING_RATE, say_all, trim
from tools.train.transcribe.tokens import word_ids
from tools.train.transcribe.voices import order
from tools.train.transcribe.words import ALIKE, WORDS, find_fragments, write_sentence

LONGEST = 9 * SAMPLING_RATE
"""of a clip"""
MOST_CLIPS = 2
WORD_CLIPS = 12
"""of each word alone"""
WORD_STEPS, CLIP_STEPS = 1200, 1800
"""The first ones are of single words, those up to the second of single clips: CTC finds few words sooner than many."""
STEP = 4000
NOBODY = 0.05
"""share of windows in which nobody speaks"""


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
        if 0.1 * SAMPLING_RATE < last - first < LONGEST:
            kept.append(text)
            parts.append(said.samples[first:last])
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    return Clips(kept, np.concatenate(parts), np.cumsum(lengths) - lengths, lengths)


def training_texts(data: Path, count: int, seed: int) -> list[str]:
    """Each word that sounds like no other alone, WORD_CLIPS times, and `count` sentences."""
    rng = np.random.default_rng([seed, 11])
    fragments = find_fragments(read_sentences(data, held_out=False, longest=200))
    alone = [word for word in WORDS if word not in ALIKE]
    return alone * WORD_CLIPS + [write_sentence(rng, fragments) for _ in range(count)]


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
    """Where the clips of a batch of windows stand, and which words they say.

    starts, lengths (of clips), places (samples in the window), rates and gains have the shape (windows, MOST_CLIPS); a
    length of 0 is no clip. sizes are the samples of each window, words the numbers of its words.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    places: NDArray[np.int64]
    rates: NDArray[np.float64]
    gains: NDArray[np.float64]
    sizes: list[int]
    words: list[list[int]]

    @property
    def longest(self) -> int:
        """Samples that hold every window; their number has small factors alone, which a Fourier transform likes."""
        return -(-max(self.sizes) // STEP) * STEP


class Planner:
    """Draws windows: some clips with pauses between them, or nobody's speech."""

    def __init__(self, clips: Clips, seed: int, size: int) -> None:
        self._clips, self._seed, self._size = clips, seed, size
        ids = word_ids()
        self._words = [[ids[word] for word in text.split()] for text in clips.texts]
        self._single = np.flatnonzero([len(words) == 1 for words in self._words])

    def __len__(self) -> int:
        return 10_000_000

    def __getitem__(self, step: int) -> Plan:
        """The batch of that step; always the same one."""
        rng = np.random.default_rng([self._seed, 1, step])
        shape = (self._size, MOST_CLIPS)
        starts, lengths, places = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        rates, gains = rng.uniform(0.9, 1.1, shape), 10 ** rng.uniform(-0.15, 0.15, shape)
        sizes: list[int] = []
        words: list[list[int]] = []
        most = 1 if step < CLIP_STEPS else MOST_CLIPS
        for row in range(self._size):
            count = 0 if rng.random() < NOBODY else int(rng.integers(1, most + 1))
            end = float(rng.exponential(0.25)) + 0.02
            said: list[int] = []
            for slot in range(count):
                clip = int(rng.choice(self._single) if step < WORD_STEPS else rng.integers(len(self._words)))
                starts[row, slot], lengths[row, slot] = self._clips.starts[clip], self._clips.lengths[clip]
                places[row, slot] = round(end * SAMPLING_RATE)
                said += self._words[clip]
                end += self._clips.lengths[clip] / rates[row, slot] / SAMPLING_RATE + rng.uniform(0.1, 0.9)
            sizes.append(round((end + (rng.uniform(0.5, 3) if count == 0 else 0)) * SAMPLING_RATE))
            words.append(said)
        return Plan(starts, lengths, places, rates, gains, sizes, words)


def place_clips(bank: NDArray[np.int16], plan: Plan) -> torch.Tensor:
    """The windows of a plan, (windows, plan.longest), of clips of the bank: each faster or slower, louder or softer."""
    windows = np.zeros((len(plan.sizes), plan.longest), dtype=np.float32)
    for row, slot in np.argwhere(plan.lengths > 0):
        start, length, place = (part[row, slot] for part in (plan.starts, plan.lengths, plan.places))
        at = np.arange(0, length - 1, plan.rates[row, slot])
        said = np.interp(at, np.arange(length), bank[start : start + length])
        windows[row, place : place + len(said)] += said * (plan.gains[row, slot] / 32768)
    return torch.from_numpy(windows)
