"""The training: first which letters say what and how long, then the levels of the sound too. It can be resumed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tools.train.shared.averaged import train
from tools.train.shared.device import bfloat16_pays
from tools.train.speak.data import MOST_LABELS, Utterance
from tools.train.speak.networks import FIRST_LETTER, WIDTH, build_model, spread

LEARNING_RATE = 1e-3
BATCH = 16
READING_SHARE = 0.12
"""of the time, in which nothing but reading is learned"""
READING_BATCH = 64


class Student(nn.Module):
    """The network, and a layer that tells which phones each letter says; it is only for the training."""

    def __init__(self) -> None:
        super().__init__()
        self.voice = build_model()
        self.phones = nn.Linear(WIDTH, MOST_LABELS)


def learn(utterances: list[Utterance], path: Path, seconds: float, seed: int) -> None:
    """Train for `seconds` over all runs, from the checkpoint at `path` if there is one."""
    torch.manual_seed(seed)
    student = Student()
    rng = np.random.default_rng([seed, 22])
    by_length = sorted(range(len(utterances)), key=lambda number: len(utterances[number].levels))

    halves = bfloat16_pays()
    print(f"{'bfloat16' if halves else 'float32'} products", flush=True)

    def loss_of(model: nn.Module, fraction: float) -> Tensor:
        assert isinstance(model, Student)
        reading = fraction < READING_SHARE
        size = READING_BATCH if reading else BATCH
        # Neighbours in length, so that little is padded.
        first = int(rng.integers(len(by_length) - size))
        batch = [utterances[number] for number in by_length[first : first + size]]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=halves):
            return loss(model, batch, reading)

    train(student, loss_of, path, seconds, LEARNING_RATE)


def loss(student: Student, batch: list[Utterance], reading: bool) -> Tensor:
    """The loss of phones and lengths, and unless `reading` alone, of levels."""
    letters, mask = _pad([utterance.letters + FIRST_LETTER for utterance in batch])
    labels, _ = _pad([utterance.labels for utterance in batch])
    frames, _ = _pad([utterance.frames for utterance in batch])
    voice = student.voice
    read = voice.text_encoder(letters, mask[..., None].float(), attention_mask=mask.long())
    hidden = read.last_hidden_state
    told = functional.cross_entropy(student.phones(hidden)[mask], labels[mask])
    lengths = voice.duration_predictor(hidden.transpose(1, 2), mask[:, None].float())[:, 0]
    # The network rounds lengths up.
    lasting = (lengths - (frames - 0.5).clamp(min=0.5).log()).abs()[mask].mean()
    if reading:
        return told + lasting
    heard, sounding = _pad([utterance.levels.astype(np.float32) for utterance in batch])
    prior = spread(read.prior_means, frames, heard.shape[1]) * sounding[..., None]
    spoken = voice.flow(prior.transpose(1, 2), sounding[:, None].float(), reverse=True).transpose(1, 2)
    return 0.2 * told + 0.3 * lasting + 10 * (spoken - heard).abs()[sounding].mean()


def _pad(parts: Sequence[NDArray[np.generic]]) -> tuple[Tensor, Tensor]:
    """Arrays (length, ...) as a batch (parts, longest, ...) with zeros, and the mask of what counts."""
    padded = nn.utils.rnn.pad_sequence([torch.from_numpy(part) for part in parts], batch_first=True)
    lengths = torch.tensor([len(part) for part in parts])
    return padded, torch.arange(padded.shape[1])[None] < lengths[:, None]
