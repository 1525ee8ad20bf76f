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
MOST_CLIPS = 12
"""of a window"""
WORD_CLIPS = 30
"""of each word alone"""
WORD_STEPS = 2500
"""The first ones are of single words, whose places are known: CTC alone finds words far later."""
WORD_WINDOW = 3.5
"""s"""
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
    programs: tuple[str, ...] = ()
    """which one spoke each clip"""


def make_clips(texts: list[str], seed: int, processes: int, held_out: bool = False) -> Clips:
    """Each text by a voice of its own, without the silence at both ends."""
    rng = np.random.default_rng([seed, int(held_out)])
    orders = [order(text, rng, held_out) for text in texts]
    kept, parts = [], []
    for one, said in zip(orders, say_all(orders, processes), strict=True):
        first, last = trim(said.samples)
        if 0.1 * SAMPLING_RATE < last - first < LONGEST:
            kept.append(one)
            parts.append(said.samples[first:last])
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    programs = tuple(one.program for one in kept)
    return Clips([one.text for one in kept], np.concatenate(parts), starts, lengths, programs)


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
    length of 0 is no clip. sizes are the samples of each window, words the numbers of each clip's words. `placed` says
    that each clip is one word.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    places: NDArray[np.int64]
    rates: NDArray[np.float64]
    gains: NDArray[np.float64]
    sizes: list[int]
    words: list[list[list[int]]]
    placed: bool

    @property
    def longest(self) -> int:
        """Samples that hold every window; their number has small factors alone, which a Fourier transform likes."""
        return -(-max(self.sizes) // STEP) * STEP

    @property
    def spans(self) -> NDArray[np.float64]:
        """Where each clip begins and ends, (windows, MOST_CLIPS, 2), in samples of its window."""
        return np.stack([self.places, self.places + self.lengths / self.rates], -1)


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
        placed = step < WORD_STEPS
        shape = (self._size, MOST_CLIPS)
        starts, lengths, places = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        # Words alone are said more slowly than those of a sentence.
        rates, gains = rng.uniform(0.9, 1.5 if placed else 1.1, shape), 10 ** rng.uniform(-0.15, 0.15, shape)
        sizes: list[int] = []
        words: list[list[list[int]]] = []
        for row in range(self._size):
            chosen = [] if rng.random() < NOBODY else self._draw_words(rng) if placed else self._draw_clips(rng)
            end = float(rng.exponential(0.25)) + 0.02
            said: list[list[int]] = []
            for slot, clip in enumerate(chosen):
                lasting = self._clips.lengths[clip] / rates[row, slot] / SAMPLING_RATE
                if placed and slot and end + lasting > WORD_WINDOW:
                    break
                starts[row, slot], lengths[row, slot] = self._clips.starts[clip], self._clips.lengths[clip]
                places[row, slot] = round(end * SAMPLING_RATE)
                said.append(self._words[clip])
                end += lasting + (_draw_gap(rng) if placed else rng.uniform(0.1, 0.9))
            sizes.append(round((end + (rng.uniform(0.1, 0.5) if said else rng.uniform(0.5, 3))) * SAMPLING_RATE))
            words.append(said)
        return Plan(starts, lengths, places, rates, gains, sizes, words, placed)

    def _draw_words(self, rng: np.random.Generator) -> list[int]:
        return [int(clip) for clip in rng.choice(self._single, MOST_CLIPS)]

    def _draw_clips(self, rng: np.random.Generator) -> list[int]:
        return [int(clip) for clip in rng.integers(len(self._words), size=int(rng.integers(1, 3)))]


def _draw_gap(rng: np.random.Generator) -> float:
    """Seconds between two words: most run into each other, as in a sentence."""
    return float(rng.uniform(-0.06, 0.04) if rng.random() < 0.7 else rng.exponential(0.2))


def place_clips(bank: NDArray[np.int16], plan: Plan) -> torch.Tensor:
    """The windows of a plan, (windows, plan.longest), of clips of the bank: each faster or slower, louder or softer."""
    windows = np.zeros((len(plan.sizes), plan.longest), dtype=np.float32)
    for row, slot in np.argwhere(plan.lengths > 0):
        start, length, place = (part[row, slot] for part in (plan.starts, plan.lengths, plan.places))
        at = np.arange(0, length - 1, plan.rates[row, slot])
        said = np.interp(at, np.arange(length), bank[start : start + length])
        windows[row, place : place + len(said)] += said * (plan.gains[row, slot] / 32768)
    return torch.from_numpy(windows)
