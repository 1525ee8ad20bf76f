"""Measures an exported model by what models that transcribe hear."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    ParakeetForCTC,
    ParakeetProcessor,
    VitsModel,
    VitsTokenizer,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from tools.train.shared.sentences import read_sentences
from tools.train.shared.speech import SAMPLING_RATE, Order, say
from tools.train.shared.word_error import word_error
from tools.train.speak.data import SPEED, VOICE
from tools.train.speak.robot import make_sound, read_speech
from tools.train.transcribe.data import unseen_texts

TINY = Path(__file__).parents[3] / "genai_cli" / "tiny" / "transcribe"
LEAD = 4000
"""samples of silence on both sides of a sentence"""

Sound = NDArray[np.float32]
Listen = Callable[[Sound], str]
Speak = Callable[[str], Sound]


@dataclass(frozen=True)
class Figures:
    """The share of words that are heard rightly: of the model, and of flite's own sound on one tone."""

    words: float
    teacher_words: float
    sentences: int
    pace: float
    """s of sound a s of computing, on one core"""


def measure(folder: Path, data: Path, count: int, seed: int) -> Figures:
    """The figures for sentences of the words that the listener knows; no training had them."""
    texts = unseen_texts(data, count, seed, set(read_sentences(data, held_out=False, longest=90)))
    listen, speak = tiny_listener(), speaker(folder)
    begun = time.process_time()
    seconds = sum(len(speak(text)) for text in texts) / SAMPLING_RATE
    pace = seconds / (time.process_time() - begun)
    return Figures(heard_words(speak, listen, texts), heard_words(say_on_one_tone, listen, texts), count, pace)


def held_out_texts(data: Path, count: int, seed: int) -> list[str]:
    """Sentences of the held-out novels, at most 90 characters long."""
    found = read_sentences(data, held_out=True, longest=90)
    return [found[number] for number in np.random.default_rng(seed).choice(len(found), count, replace=False)]


def heard_words(speak: Speak, listen: Listen, texts: list[str]) -> float:
    """The share of the words of `texts` that are heard rightly."""
    return max(0.0, 1.0 - word_error([(text, listen(np.pad(speak(text), LEAD))) for text in texts]))


def speaker(folder: Path) -> Speak:
    """The exported model."""
    model = VitsModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = VitsTokenizer.from_pretrained(folder)

    def speak(text: str) -> Sound:
        with torch.inference_mode():
            sound: Sound = model(**tokenizer(text, return_tensors="pt")).waveform[0].numpy()
        return sound

    return speak


def say_on_one_tone(text: str) -> Sound:
    """What the model learns from: flite's speech through the vocoder."""
    levels = read_speech(say(Order(text, "flite", VOICE, SPEED)))
    return np.tanh(make_sound(levels)).astype(np.float32)


def tiny_listener() -> Listen:
    """The small model of the package that transcribes."""
    model = ParakeetForCTC.from_pretrained(TINY, dtype=torch.float32).eval()
    processor = ParakeetProcessor.from_pretrained(TINY)

    def listen(sound: Sound) -> str:
        inputs = processor(sound, sampling_rate=SAMPLING_RATE, return_tensors="pt")
        with torch.inference_mode():
            return str(processor.decode(model(**inputs).logits[0].argmax(-1)))

    return listen


def whisper_listener(folder: Path) -> Listen:
    """The Whisper in `folder`."""
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = WhisperProcessor.from_pretrained(folder)

    def listen(sound: Sound) -> str:
        features = processor(sound, sampling_rate=SAMPLING_RATE, return_tensors="pt").input_features
        with torch.inference_mode():
            return str(processor.batch_decode(model.generate(features), skip_special_tokens=True)[0])

    return listen


def figure_table(figures: Figures) -> str:
    """The figures beside their bars, as a Markdown table."""
    return "\n".join(
        (
            "| Figure | Measured | Bar |",
            "|---|---|---|",
            f"| Words that tiny's transcriber hears rightly, {figures.sentences} sentences not trained on |"
            f" {figures.words:.1%} | at least 85% |",
            f"| The same of flite, on one tone by the same vocoder | {figures.teacher_words:.1%} | |",
            f"| Seconds of sound a second of one core | {figures.pace:.0f} | at least 1 |",
        )
    )
