"""The training of the network from letters to mel frames, by its own loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import FastSpeech2ConformerModel

from tools.train.shared.budget import Budget, learning_rate_scale
from tools.train.shared.loop import Average, set_learning_rate, train_steps
from tools.train.speak.data import Clip
from tools.train.speak.features import HOP, log_mel, pitch_and_loudness
from tools.train.speak.networks import VOCABULARY, build_acoustic


@dataclass(frozen=True)
class AcousticRecipe:
    """What shapes the training."""

    learning_rate: float = 2e-3
    warmup_steps: int = 300
    decay_from: float = 0.3
    frames_a_batch: int = 24_000


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of log mel bins, log pitch and log loudness: the network sees (x - mean) / deviation."""

    mel_mean: Tensor
    mel_std: Tensor
    pitch: tuple[float, float]
    loudness: tuple[float, float]

    def normalize(self, mel: Tensor) -> Tensor:
        """Log mel frames (..., MELS) to the network's range."""
        return (mel - self.mel_mean.to(mel.device)) / self.mel_std.to(mel.device)


@dataclass(frozen=True)
class Example:
    """A clip as tensors: letters and their frames, pitch and loudness (letters,), mel (frames, MELS)."""

    letters: Tensor
    frames: Tensor
    pitch: Tensor
    loudness: Tensor
    mel: Tensor


@dataclass(frozen=True)
class Heard:
    """What the features say of a clip, on the CPU: log mel (frames, MELS), log pitch and loudness (frames,)."""

    mel: Tensor
    pitch: Tensor
    loudness: Tensor


def hear(clips: Sequence[Clip], device: torch.device, group: int = 64) -> Iterator[Heard]:
    """The features of the clips, computed for a group of clips at a time: a GPU is slow at many small calls."""
    for start in range(0, len(clips), group):
        members = clips[start : start + group]
        padded = torch.nn.utils.rnn.pad_sequence(
            [torch.from_numpy(clip.samples) for clip in members], batch_first=True
        ).to(device)
        samples = padded.float() / 32768
        mel, (pitch, loudness) = log_mel(samples).cpu(), (part.cpu() for part in pitch_and_loudness(samples))
        for i, clip in enumerate(members):
            count = len(clip.samples) // HOP
            yield Heard(mel[i, :count], pitch[i, :count], loudness[i, :count])


def measure_scale(clips: Sequence[Clip], device: torch.device) -> Scale:
    """The scale of some of the clips."""
    found = list(hear(clips[:384], device))
    mel, pitch, loudness = (
        torch.cat([getattr(heard, name) for heard in found]) for name in ("mel", "pitch", "loudness")
    )
    ranges = [(values.mean().item(), values.std().item()) for values in (pitch[pitch > 0], loudness)]
    return Scale(mel.mean(0), mel.std(0), ranges[0], ranges[1])


def prepare(clips: Sequence[Clip], scale: Scale, device: torch.device) -> list[Example]:
    """All clips as the network sees them, on the CPU; `device` computes their features."""
    examples = []
    for clip, heard in zip(clips, hear(clips, device), strict=True):
        owner = torch.repeat_interleave(torch.arange(len(clip.frames)), torch.from_numpy(clip.frames))
        voiced = (heard.pitch > 0).float()
        scaled = torch.where(heard.pitch > 0, (heard.pitch - scale.pitch[0]) / scale.pitch[1], 0.0)
        loud = (heard.loudness - scale.loudness[0]) / scale.loudness[1]
        examples.append(
            Example(
                torch.tensor([VOCABULARY[c] for c in clip.text]),
                torch.from_numpy(clip.frames),
                _by_letter(scaled, owner, voiced, len(clip.frames)),
                _by_letter(loud, owner, torch.ones_like(loud), len(clip.frames)),
                scale.normalize(heard.mel).half(),
            )
        )
    return examples


def _by_letter(values: Tensor, owner: Tensor, weights: Tensor, count: int) -> Tensor:
    zeros = values.new_zeros(count)
    return zeros.index_add(0, owner, values * weights) / zeros.index_add(0, owner, weights).clamp(min=1.0)


@dataclass(frozen=True)
class Batch:
    """Padded examples: letters, frames, pitch and loudness (batch, letters), mel (batch, frames, MELS), its lengths."""

    letters: Tensor
    frames: Tensor
    pitch: Tensor
    loudness: Tensor
    mel: Tensor
    lengths: Tensor


class Batches:
    """Batches of examples of like length, about `size` frames each.

    The examples of a bucket are padded once and stay on the device. Its batches have one shape: a GPU plans its
    convolutions once for each shape.
    """

    def __init__(self, examples: list[Example], size: int, device: torch.device, buckets: int = 10) -> None:
        ordered = sorted(examples, key=lambda example: len(example.mel))
        share = -(-len(ordered) // min(buckets, len(ordered)))
        self._buckets = [_pad(ordered[start : start + share], device) for start in range(0, len(ordered), share)]
        self._counts = [max(1, min(len(b.mel), size // b.mel.shape[1])) for b in self._buckets]
        steps = np.array([len(b.mel) / count for b, count in zip(self._buckets, self._counts, strict=True)])
        self._shares = steps / steps.sum()

    def draw(self, rng: np.random.Generator) -> Batch:
        """One batch of a bucket drawn at random."""
        place = int(rng.choice(len(self._buckets), p=self._shares))
        bucket = self._buckets[place]
        chosen = rng.choice(len(bucket.mel), self._counts[place], replace=False)
        index = torch.from_numpy(chosen).to(bucket.mel.device, non_blocking=True)
        parts = (bucket.letters, bucket.frames, bucket.pitch, bucket.loudness, bucket.mel, bucket.lengths)
        return Batch(*(part[index] for part in parts))


def _pad(examples: list[Example], device: torch.device) -> Batch:
    pad = torch.nn.utils.rnn.pad_sequence
    return Batch(
        pad([example.letters for example in examples], batch_first=True).to(device),
        pad([example.frames for example in examples], batch_first=True).to(device),
        pad([example.pitch for example in examples], batch_first=True).to(device),
        pad([example.loudness for example in examples], batch_first=True).to(device),
        pad([example.mel for example in examples], batch_first=True).to(device),
        torch.tensor([len(example.mel) for example in examples], device=device),
    )


def forward_loss(model: FastSpeech2ConformerModel, batch: Batch) -> Tensor:
    """The model's own loss. As its forward, but the letters are spread over their frames without a loop over clips."""
    letters, pitch, loudness, mel = batch.letters, batch.pitch[..., None], batch.loudness[..., None], batch.mel.float()
    there = letters > 0
    hidden = model.encoder(letters, there[:, None].int(), return_dict=True).last_hidden_state
    absent = ~there[..., None]
    pitched = model.pitch_predictor(hidden.detach(), absent)
    loud = model.energy_predictor(hidden, absent)
    lasting = model.duration_predictor(hidden).masked_fill(~there, 0.0)
    hidden = hidden + model.pitch_embed(pitch) + model.energy_embed(loudness)
    places = torch.arange(mel.shape[1], device=mel.device).expand(len(mel), -1)
    owner = torch.searchsorted(batch.frames.cumsum(1), places.contiguous(), right=True)
    owner = owner.clamp(max=letters.shape[1] - 1)
    spread = hidden.gather(1, owner[..., None].expand(-1, -1, hidden.shape[-1]))
    inside = places < batch.lengths[:, None]
    decoded = model.decoder(spread * inside[..., None], inside[:, None].int(), return_dict=True).last_hidden_state
    before, after = model.speech_decoder_postnet(decoded)
    weight = inside[..., None].float()
    share = weight.sum() * mel.shape[-1]
    spectral = ((((before - mel).abs() + (after - mel).abs()) * weight).sum()) / share
    known = there.float()
    target = torch.log(batch.frames.float() + 1.0)
    others = (
        (lasting.float() - target).square()
        + (pitched.float() - pitch).square()[..., 0]
        + (loud.float() - loudness).square()[..., 0]
    )
    loss: Tensor = spectral + (others * known).sum() / known.sum()
    return loss


def train_acoustic(
    clips: list[Clip],
    budget: Budget,
    seed: int,
    checkpoint: Path,
    device: torch.device,
    recipe: AcousticRecipe | None = None,
    most_steps: int | None = None,
) -> int:
    """Train until the budget is spent, resuming from `checkpoint`. Returns the number of steps."""
    recipe = recipe or AcousticRecipe()
    torch.manual_seed(seed)
    scale = measure_scale(clips, device)
    batches = Batches(prepare(clips, scale, device), recipe.frames_a_batch, device)
    model, copy = build_acoustic().to(device).train(), build_acoustic().to(device)
    average = Average(model, copy)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=device.type == "cuda"
    )

    def step(number: int, fraction: float) -> dict[str, Tensor]:
        rate = learning_rate_scale(number, fraction, recipe.warmup_steps, recipe.decay_from)
        set_learning_rate(optimizer, recipe.learning_rate * rate)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = forward_loss(model, batches.draw(np.random.default_rng([seed, number])))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.follow(number)
        return {"loss": loss.detach()}

    parts = {"model": model, "average": copy, "optimizer": optimizer}
    return train_steps("speak, letters", parts, step, budget, checkpoint, most_steps)
