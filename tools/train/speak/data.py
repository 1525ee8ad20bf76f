"""Utterances: texts in letters, with the levels of their sound and the frames that each letter lasts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint
from tools.train.shared.sentences import read_sentences
from tools.train.shared.speech import SAMPLING_RATE, Order, say_all
from tools.train.shared.word_error import find_words
from tools.train.speak.letters import ALPHABET, PAUSE, align, frames_of_letters, learn_chances
from tools.train.speak.robot import FRAME, read_speech

VOICE = "rms"
"""of flite"""
SPEED = 145
LEARNED_FROM = 1500
"""utterances, for the alignment of letters"""
MOST_LABELS = 240
AROUND = 3
"""frames of silence kept at both ends"""


@dataclass(frozen=True)
class Utterance:
    """letters (length,) are places in ALPHABET; frames and labels (length,) are theirs; levels: (frames, LEVELS)."""

    letters: NDArray[np.int64]
    frames: NDArray[np.int64]
    labels: NDArray[np.int64]
    levels: NDArray[np.float16]


def spell(text: str) -> list[int]:
    """The letters of a text; others are left out."""
    return [ALPHABET.index(letter) for letter in text.lower() if letter in ALPHABET]


def training_texts(data: Path, count: int, seed: int) -> list[str]:
    """Sentences of the novels, and strings of their words, rare ones as often as frequent ones."""
    rng = np.random.default_rng([seed, 21])
    sentences = read_sentences(data, held_out=False, longest=90)
    words = sorted(word for word, times in Counter(find_words(" ".join(sentences))).items() if times > 1)
    whole = rng.choice(len(sentences), min(len(sentences), count * 6 // 10), replace=False)
    strings = [_string_words(rng, words) for _ in range(count - len(whole))]
    return [sentences[number] for number in whole] + strings


def _string_words(rng: np.random.Generator, words: list[str]) -> str:
    drawn = [words[int(rng.integers(len(words)))] for _ in range(int(rng.integers(1, 9)))]
    marks = [", " if rng.random() < 0.2 else " " for _ in drawn[1:]]
    end = (".", "?", "!", "")[int(rng.choice(4, p=(0.5, 0.1, 0.1, 0.3)))]
    return drawn[0] + "".join(mark + word for mark, word in zip(marks, drawn[1:], strict=True)) + end


def make_utterances(texts: list[str], processes: int) -> list[Utterance]:
    """The texts as flite says them, on one tone. Texts whose letters do not fit their sound are left out."""
    said = list(say_all([Order(text, "flite", VOICE, SPEED) for text in texts], processes))
    names = sorted({name for spoken in said for name, _ in spoken.phones})
    numbers = {name: number for number, name in enumerate(names)}
    pairs = [
        (spell(text), [numbers[name] for name, _ in _between_pauses(spoken.phones)])
        for text, spoken in zip(texts, said, strict=True)
    ]
    chances = learn_chances(pairs[:LEARNED_FROM], names)
    aligned = [align(letters, phones, chances) if letters and phones else None for letters, phones in pairs]
    labels = _number_labels(pairs, aligned)
    made = []
    for (letters, phones), counts, spoken in zip(pairs, aligned, said, strict=True):
        inner = _between_pauses(spoken.phones)
        if counts is None:
            continue
        first = max(0, int(spoken.phones[0][1] * SAMPLING_RATE / FRAME) - AROUND)
        last = round(inner[-1][1] * SAMPLING_RATE / FRAME) + AROUND
        levels = read_speech(spoken)[first:last]
        ends = [end * SAMPLING_RATE / FRAME - first for _, end in inner]
        frames = frames_of_letters(counts, ends, len(levels))
        if frames is not None:
            numbered = [labels.get(label, 0) for label in _labels(phones, counts)]
            made.append(Utterance(np.array(letters), np.array(frames), np.array(numbered), levels.astype(np.float16)))
    return made


def _between_pauses(phones: tuple[tuple[str, float], ...]) -> list[tuple[str, float]]:
    """Without the pauses at both ends."""
    spoken = [place for place, (name, _) in enumerate(phones) if name != PAUSE]
    return list(phones[spoken[0] : spoken[-1] + 1]) if spoken else []


def _labels(phones: list[int], counts: list[int]) -> list[tuple[int, ...]]:
    ends = np.cumsum(counts)
    return [tuple(phones[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def _number_labels(
    pairs: list[tuple[list[int], list[int]]], aligned: list[list[int] | None]
) -> dict[tuple[int, ...], int]:
    """A number for each frequent run of phones that a letter says; 0 is any other."""
    found = Counter(
        label
        for (_, phones), counts in zip(pairs, aligned, strict=True)
        if counts is not None
        for label in _labels(phones, counts)
    )
    return {label: number for number, (label, _) in enumerate(found.most_common(MOST_LABELS - 1), 1)}


def load_utterances(data: Path, work: Path, count: int, seed: int, processes: int) -> list[Utterance]:
    """The utterances to train on, from `work` if they were made before."""
    path, names = work / "utterances.pt", [field.name for field in fields(Utterance)]
    saved = load_checkpoint(path)
    if saved is None:
        made = make_utterances(training_texts(data, count, seed), processes)
        saved = {name: [torch.from_numpy(getattr(utterance, name)) for utterance in made] for name in names}
        save_checkpoint(path, saved)
    parts = (saved[name] for name in names)
    return [Utterance(*(part.numpy() for part in one)) for one in zip(*parts, strict=True)]
