"""The clips: sentences of known words in many voices, and windows of some clips with their words and places."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint
from tools.train.shared.sentences import read_sentences
from tools.train.shared.speech import SAMPLING_RATE, say_all, trim
from tools.train.transcribe.places import place_words
from tools.train.transcribe.tokens import word_ids
from tools.train.transcribe.voices import order
from tools.train.transcribe.words import ALIKE, WORDS, find_fragments, write_sentence

LONGEST = 9 * SAMPLING_RATE
"""of a clip"""
MOST_CLIPS = 12
"""of a window"""
WORD_CLIPS = 30
"""of each word alone"""
WORD_STEPS = 1200
"""The first ones are of single words alone."""
WORD_SHARE = 0.25
"""of the windows later on"""
WORD_WINDOW = 3.5
"""s"""
WORD_RATES, SENTENCE_RATES = (0.9, 1.5), (0.85, 1.3)
"""Words alone are said more slowly than those of a sentence. A faster clip is also that of a smaller head."""
STEP = 4000
NOBODY = 0.05
"""share of windows in which nobody speaks"""


@dataclass(frozen=True)
class Clips:
    """Texts and their int16 samples, one after another: clip i is samples[starts[i] : starts[i] + lengths[i]].

    spans[i] (words, 2) are where its words begin and end, in samples of the clip; NaN if that is not known.
    """

    texts: list[str]
    samples: NDArray[np.int16]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    spans: list[NDArray[np.float64]]
    programs: tuple[str, ...] = ()
    """which one spoke each clip"""


def make_clips(texts: list[str], seed: int, processes: int, held_out: bool = False) -> Clips:
    """Each text by a voice of its own, without the silence at both ends."""
    rng = np.random.default_rng([seed, int(held_out)])
    orders = [order(text, rng, held_out) for text in texts]
    kept, parts, spans = [], [], []
    for one, said in zip(orders, say_all(orders, processes), strict=True):
        first, last = trim(said.samples)
        if 0.1 * SAMPLING_RATE < last - first < LONGEST:
            kept.append(one)
            parts.append(said.samples[first:last])
            placed = place_words(one, said, last / SAMPLING_RATE)
            nowhere = np.full((len(one.text.split()), 2), np.nan)
            spans.append(nowhere if placed is None else placed * SAMPLING_RATE - first)
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    programs = tuple(one.program for one in kept)
    return Clips([one.text for one in kept], np.concatenate(parts), starts, lengths, spans, programs)


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
        flat = (saved[name].numpy() for name in ("samples", "starts", "lengths"))
        return Clips(saved["texts"], *flat, [part.numpy() for part in saved["spans"]])
    clips = make_clips(training_texts(data, count, seed), seed, processes)
    # As tensors: a pickle of an array of this size is slow.
    arrays = {"samples": clips.samples, "starts": clips.starts, "lengths": clips.lengths}
    spans = [torch.from_numpy(part) for part in clips.spans]
    flat = {name: torch.from_numpy(part) for name, part in arrays.items()}
    save_checkpoint(path, {"texts": clips.texts, "spans": spans, **flat})
    return clips


@dataclass(frozen=True)
class Said:
    """The number of a word, and where in its window it begins and ends, in samples; NaN if that is not known."""

    word: int
    start: float
    end: float


@dataclass(frozen=True)
class Plan:
    """Where the clips of a batch of windows stand, and which words they say.

    starts, lengths (of clips), places (samples in the window), rates and gains have the shape (windows, MOST_CLIPS); a
    length of 0 is not a clip. sizes are the samples of each window. `alone` says that all words were spoken one by one.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    places: NDArray[np.int64]
    rates: NDArray[np.float64]
    gains: NDArray[np.float64]
    sizes: list[int]
    words: list[list[Said]]
    alone: bool

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
        rates, gains = np.ones(shape), 10 ** rng.uniform(-0.15, 0.15, shape)
        sizes: list[int] = []
        words: list[list[Said]] = []
        for row in range(self._size):
            alone = step < WORD_STEPS or rng.random() < WORD_SHARE
            chosen = [] if rng.random() < NOBODY else self._draw_words(rng) if alone else self._draw_clips(rng)
            rates[row] = rng.uniform(*(WORD_RATES if alone else SENTENCE_RATES), MOST_CLIPS)
            end = float(rng.exponential(0.25)) + 0.02
            said: list[Said] = []
            for slot, clip in enumerate(chosen):
                lasting = self._clips.lengths[clip] / rates[row, slot] / SAMPLING_RATE
                if alone and slot and end + lasting > WORD_WINDOW:
                    break
                starts[row, slot], lengths[row, slot] = self._clips.starts[clip], self._clips.lengths[clip]
                places[row, slot] = round(end * SAMPLING_RATE)
                said += self._say(clip, places[row, slot], rates[row, slot])
                end += lasting + (_draw_gap(rng) if alone else rng.uniform(0.1, 0.9))
            sizes.append(round((end + (rng.uniform(0.1, 0.5) if said else rng.uniform(0.5, 3))) * SAMPLING_RATE))
            words.append(said)
        return Plan(starts, lengths, places, rates, gains, sizes, words, step < WORD_STEPS)

    def _say(self, clip: int, place: int, rate: float) -> list[Said]:
        spans = self._clips.spans[clip] / rate + place
        return [Said(word, *span) for word, span in zip(self._words[clip], spans.tolist(), strict=True)]

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
