"""Measures an exported model on voices and sentences that it never heard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import ParakeetForCTC, ParakeetProcessor

from tools.train.shared.speech import SAMPLING_RATE
from tools.train.shared.word_error import word_error
from tools.train.transcribe.data import make_clips, training_texts, unseen_texts
from tools.train.transcribe.sound import add_noise
from tools.train.transcribe.words import WORDS

LEAD = 0.5
"""s of silence on both sides of each sentence"""
SNR = 10.0


@dataclass(frozen=True)
class Figures:
    """Word errors in quiet and with white noise at SNR dB, and how far times are off: the 90th of 100, in s.

    `by_program` are those in quiet of espeak-ng's voices, and of flite's.
    """

    quiet: float
    noisy: float
    by_program: dict[str, float]
    time_error: float
    sentences: int


def measure(folder: Path, data: Path, count: int, seed: int, processes: int, trained_on: int) -> Figures:
    """The figures for `count` sentences that are not among the texts of `trained_on` clips of the training."""
    seen = set(training_texts(data, trained_on, seed))
    clips = make_clips(unseen_texts(data, count, seed, seen), seed, processes, held_out=True)
    model = ParakeetForCTC.from_pretrained(folder, dtype=torch.float32).eval()
    processor = ParakeetProcessor.from_pretrained(folder)
    torch.manual_seed(seed)
    heard: dict[bool, list[tuple[str, str]]] = {False: [], True: []}
    off: list[float] = []
    lead = round(LEAD * SAMPLING_RATE)
    for text, start, length in zip(clips.texts, clips.starts, clips.lengths, strict=True):
        window = torch.zeros(1, int(length) + 2 * lead)
        window[0, lead:-lead] = torch.from_numpy(clips.samples[start : start + length]).float() / 32768
        for noisy, pairs in heard.items():
            sound = add_noise(window, torch.full((1, 1), SNR), torch.zeros(1, 1)) if noisy else window
            inputs = processor(sound[0].numpy(), sampling_rate=SAMPLING_RATE, return_tensors="pt")
            with torch.inference_mode():
                frames = model(**inputs).logits[0].argmax(-1)
            pairs.append((text, processor.decode(frames)))
            spoken = torch.nonzero(frames < len(WORDS)).flatten().tolist()
            if not noisy and spoken:
                step = window.shape[1] / SAMPLING_RATE / len(frames)
                ends = (spoken[0] * step - LEAD, (spoken[-1] + 1) * step - LEAD - length / SAMPLING_RATE)
                off += [abs(end) for end in ends]
    told = list(zip(heard[False], clips.programs, strict=True))
    by_program = {
        name: word_error([pair for pair, program in told if program == name]) for name in sorted(set(clips.programs))
    }
    late = float(np.quantile(off, 0.9)) if off else float("nan")
    return Figures(word_error(heard[False]), word_error(heard[True]), by_program, late, len(clips.texts))


def figure_table(figures: Figures) -> str:
    """The figures beside their bars, as a Markdown table."""
    programs = [f"| of them, spoken by {name} | {error:.1%} | |" for name, error in figures.by_program.items()]
    return "\n".join(
        (
            "| Figure | Measured | Bar |",
            "|---|---|---|",
            f"| Word error, {figures.sentences} sentences and voices never heard | {figures.quiet:.1%} | at most 5% |",
            *programs,
            f"| The same with white noise at {SNR:g} dB | {figures.noisy:.1%} | at most 10% |",
            f"| Times are off by at most (90 of 100) | {figures.time_error:.2f} s | at most 0.1 s |",
        )
    )
