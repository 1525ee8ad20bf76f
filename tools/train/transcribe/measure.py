"""Measures an exported model on voices and sentences that it never heard."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from tools.train.shared.speech import SAMPLING_RATE
from tools.train.shared.word_error import word_error
from tools.train.transcribe.data import make_clips, training_texts, unseen_texts
from tools.train.transcribe.sound import LENGTH, add_noise

LEAD = 0.5
"""s of silence before each sentence"""
SNR = 10.0


@dataclass(frozen=True)
class Figures:
    """Word errors in quiet and with white noise at SNR dB, and how far times are off: the 90th of 100, in s."""

    quiet: float
    noisy: float
    time_error: float
    sentences: int


def measure(folder: Path, data: Path, count: int, seed: int, processes: int, trained_on: int) -> Figures:
    """The figures for `count` sentences that are not among the texts of `trained_on` clips of the training."""
    seen = set(training_texts(data, trained_on, seed))
    clips = make_clips(unseen_texts(data, count, seed, seen), seed, processes, held_out=True)
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = WhisperProcessor.from_pretrained(folder)
    torch.manual_seed(seed)
    heard: dict[bool, list[tuple[str, str]]] = {False: [], True: []}
    off: list[float] = []
    for text, start, length in zip(clips.texts, clips.starts, clips.lengths, strict=True):
        window = torch.zeros(1, LENGTH)
        room = min(int(length), LENGTH - round(LEAD * SAMPLING_RATE))
        first = round(LEAD * SAMPLING_RATE)
        window[0, first : first + room] = torch.from_numpy(clips.samples[start : start + room]).float() / 32768
        for noisy, pairs in heard.items():
            sound = add_noise(window, torch.full((1, 1), SNR), torch.zeros(1, 1)) if noisy else window
            features = processor(sound[0].numpy(), sampling_rate=SAMPLING_RATE, return_tensors="pt").input_features
            with torch.inference_mode():
                made = model.generate(features, return_timestamps=True, return_segments=True)
            pairs.append((text, processor.batch_decode(made["sequences"], skip_special_tokens=True)[0]))
            if not noisy and made["segments"][0]:
                ends = (float(made["segments"][0][0]["start"]), float(made["segments"][0][-1]["end"]))
                off += [abs(ends[0] - LEAD), abs(ends[1] - LEAD - length / SAMPLING_RATE)]
    late = float(np.quantile(off, 0.9)) if off else float("nan")
    return Figures(word_error(heard[False]), word_error(heard[True]), late, len(clips.texts))


def figure_table(figures: Figures) -> str:
    """The figures beside their bars, as a Markdown table."""
    return "\n".join(
        (
            "| Figure | Measured | Bar |",
            "|---|---|---|",
            f"| Word error, {figures.sentences} sentences and voices never heard | {figures.quiet:.1%} | at most 5% |",
            f"| The same with white noise at {SNR:g} dB | {figures.noisy:.1%} | at most 10% |",
            f"| Times are off by at most (90 of 100) | {figures.time_error:.2f} s | at most 0.1 s |",
        )
    )
