"""Sentences as the voice says them, cut and aligned: letters with their frames, samples of whole frames."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint
from tools.train.shared.sentences import read_sentences
from tools.train.shared.speech import SAMPLING_RATE, Order, Spoken, say_all
from tools.train.speak.alignment import LetterAligner
from tools.train.speak.features import HOP

VOICE = "rms"
ALPHABET = "abcdefghijklmnopqrstuvwxyz' ,.?!;:-"
LEAD = 0.03
TAIL, CUT_TAIL = 0.15, 0.04
"""s of silence kept before the first sound, after a final mark, and after a text without one"""
ALIGNER_TEXTS = 600


@dataclass(frozen=True)
class Clip:
    """A text of ALPHABET, the frames of each of its letters, and int16 samples of sum(frames) * HOP."""

    text: str
    frames: NDArray[np.int64]
    samples: NDArray[np.int16]


def choose_texts(sentences: list[str], count: int, seed: int) -> list[str]:
    """Texts to train on: whole sentences with words not seen yet first, and phrases without a final mark."""
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    seen: Counter[str] = Counter()
    for relish in (2, 4, 1_000_000):
        for index in rng.permutation(len(sentences)):
            words = re.findall(r"[a-z']+", sentences[index].lower())
            if len(texts) < count and any(seen[word] < relish for word in words):
                seen.update(words)
                texts.append(_maybe_phrase(sentences[index], rng))
    return texts[:count]


def _maybe_phrase(sentence: str, rng: np.random.Generator) -> str:
    draw = rng.random()
    if draw < 0.1:
        words = re.findall(r"[A-Za-z']+", sentence)
        start = int(rng.integers(len(words)))
        return " ".join(words[start : start + int(rng.integers(1, 4))])
    return sentence[:-1] if draw < 0.2 else sentence


def make_clips(texts: list[str], processes: int) -> list[Clip]:
    """Synthesise the texts and align their letters. A text whose phones do not fit its letters is left out."""
    orders = [Order(text, "flite", VOICE) for text in texts]
    spoken = list(say_all(orders, processes))
    plain = [text.lower() for text in texts]
    pairs = [_pair(text, said) for text, said in zip(plain, spoken, strict=True)]
    aligner = LetterAligner(pairs)
    aligner.fit(sorted(pairs, key=lambda pair: len(pair[0]))[:: max(1, len(pairs) // ALIGNER_TEXTS)])
    aligned = zip(plain, spoken, pairs, aligner.align(pairs), strict=True)
    clips = [_cut(text, said, shares) for text, said, (_, phones), shares in aligned if shares.sum() == len(phones)]
    return [clip for clip in clips if len(clip.samples) > 8 * HOP]


def _pair(text: str, said: Spoken) -> tuple[str, list[str]]:
    """The text and its phones: without the first pause, and without the last one if no mark asks for it."""
    phones = [name for name, _ in said.phones[1:]]
    return text, phones if not text[-1].isalpha() else phones[:-1]


def _cut(text: str, said: Spoken, shares: NDArray[np.int64]) -> Clip:
    ends = np.array([end for _, end in said.phones])
    start = max(0.0, ends[0] - LEAD)
    ended = not text[-1].isalpha()
    ends = ends[1:].copy()
    ends[-1] = min(ends[-1], ends[-2] + TAIL)
    if not ended:
        ends[-2] = min(ends[-1], ends[-2] + CUT_TAIL)
        ends = ends[:-1]
    bounds = np.concatenate([[0.0], ends - start])[np.concatenate([[0], np.cumsum(shares)])]
    edges = np.round(bounds * SAMPLING_RATE / HOP).astype(np.int64)
    first = round(start * SAMPLING_RATE)
    samples = said.samples[first : first + edges[-1] * HOP]
    missing = edges[-1] * HOP - len(samples)
    return Clip(text, np.diff(edges), np.pad(samples, (0, max(0, missing))))


def load_clips(data: Path, work: Path, count: int, seed: int, processes: int) -> list[Clip]:
    """The clips to train on, from `work` if they were made before."""
    path = work / "clips.pt"
    saved = load_checkpoint(path)
    if saved is not None:
        parts = zip(saved["texts"], saved["frames"], saved["samples"], strict=True)
        return [Clip(text, frames.numpy(), samples.numpy()) for text, frames, samples in parts]
    clips = make_clips(choose_texts(read_sentences(data, held_out=False), count, seed), processes)
    # As tensors: a pickle of arrays of this size is slow.
    frames, samples = ([torch.from_numpy(part) for part in parts] for parts in _arrays(clips))
    save_checkpoint(path, {"texts": [clip.text for clip in clips], "frames": frames, "samples": samples})
    return clips


def _arrays(clips: list[Clip]) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int16]]]:
    return [clip.frames for clip in clips], [np.ascontiguousarray(clip.samples) for clip in clips]
