"""Measures an exported speaking model: how many words a transcribing model hears of sentences not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoTokenizer,
    FastSpeech2ConformerWithHifiGan,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from tools.train.shared.sentences import read_sentences
from tools.train.shared.speech import SAMPLING_RATE
from tools.train.shared.word_error import word_error


def held_out_texts(data: Path, count: int, seed: int) -> list[str]:
    """Sentences of the held-out novels, at most 90 characters long."""
    found = read_sentences(data, held_out=True, longest=90)
    return [found[i] for i in np.random.default_rng(seed).choice(len(found), count, replace=False)]


def heard_words(folder: Path, transcriber: Path, texts: list[str]) -> float:
    """The share of the words of `texts` that the Whisper in `transcriber` hears from the model in `folder`."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    speaker = FastSpeech2ConformerWithHifiGan.from_pretrained(folder, dtype=torch.float32).eval()
    processor = WhisperProcessor.from_pretrained(transcriber)
    listener = WhisperForConditionalGeneration.from_pretrained(transcriber, dtype=torch.float32).eval()
    pairs = []
    for text in texts:
        with torch.inference_mode():
            said = speaker(tokenizer(text, return_tensors="pt").input_ids, return_dict=True).waveform[0].numpy()
            features = processor(said, sampling_rate=SAMPLING_RATE, return_tensors="pt").input_features
            heard = processor.batch_decode(listener.generate(features), skip_special_tokens=True)[0]
        pairs.append((text, heard))
    return max(0.0, 1.0 - word_error(pairs))
