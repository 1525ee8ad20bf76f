"""The training of the vocoder on the voice's own mel frames: spectra first, then also against discriminators."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from tools.train.shared.budget import Budget, learning_rate_scale
from tools.train.shared.loop import Average, set_learning_rate, train_steps
from tools.train.speak.acoustic import Scale, measure_scale
from tools.train.speak.data import Clip
from tools.train.speak.features import HOP, log_mel
from tools.train.speak.networks import build_vocoder

RESOLUTIONS = ((50, 240), (120, 600), (240, 1200))
"""hop and window, in samples"""
PERIODS = (2, 3, 5, 7, 11)


@dataclass(frozen=True)
class VocoderRecipe:
    """What shapes the training."""

    learning_rate: float = 1e-3
    critic_rate: float = 3e-4
    warmup_steps: int = 200
    decay_from: float = 0.4
    critics_from: float = 0.3
    """share of the time after which the discriminators take part"""
    batch_size: int = 48
    frames: int = 40
    """of a crop"""


class PeriodCritic(nn.Module):
    """HiFi-GAN's discriminator of one period, narrow: it sees samples as a picture with `period` columns."""

    def __init__(self, period: int) -> None:
        super().__init__()
        self._period = period
        widths = (1, 16, 64, 128, 256)
        self.layers = nn.ModuleList(
            nn.utils.parametrizations.weight_norm(nn.Conv2d(a, b, (5, 1), (3, 1), (2, 0)))
            for a, b in itertools.pairwise(widths)
        )
        self.last = nn.utils.parametrizations.weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, samples: Tensor) -> list[Tensor]:
        """Activations of each layer for samples (batch, samples); the last one is the judgement."""
        spare = -samples.shape[-1] % self._period
        hidden = functional.pad(samples[:, None], (0, spare), "reflect").unflatten(-1, (-1, self._period))
        found = []
        for layer in self.layers:
            hidden = functional.leaky_relu(layer(hidden), 0.1)
            found.append(hidden)
        return [*found, self.last(hidden)]


class SpectrumCritic(nn.Module):
    """A discriminator of the magnitudes of one resolution."""

    def __init__(self, hop: int, window: int) -> None:
        super().__init__()
        self._hop, self._window = hop, window
        widths = (1, 24, 24, 24)
        self.layers = nn.ModuleList(
            nn.utils.parametrizations.weight_norm(nn.Conv2d(a, b, (3, 9), (1, 2 if i else 1), (1, 4)))
            for i, (a, b) in enumerate(itertools.pairwise(widths))
        )
        self.last = nn.utils.parametrizations.weight_norm(nn.Conv2d(widths[-1], 1, (3, 3), padding=(1, 1)))

    def forward(self, samples: Tensor) -> list[Tensor]:
        """As PeriodCritic's."""
        hidden = magnitudes(samples, self._hop, self._window).transpose(1, 2)[:, None]
        found = []
        for layer in self.layers:
            hidden = functional.leaky_relu(layer(hidden), 0.1)
            found.append(hidden)
        return [*found, self.last(hidden)]


def magnitudes(samples: Tensor, hop: int, window: int) -> Tensor:
    """Magnitudes of the spectrum of samples (batch, samples): (batch, bins, frames)."""
    shape = torch.hann_window(window, device=samples.device)
    spectrum = torch.stft(samples, window, hop, window=shape, return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square() + 1e-7).sqrt()


def spectral_loss(made: Tensor, true: Tensor) -> Tensor:
    """Convergence and log distance of magnitudes at three resolutions."""
    loss = made.new_zeros(())
    for hop, window in RESOLUTIONS:
        ours, theirs = magnitudes(made, hop, window), magnitudes(true, hop, window)
        loss = loss + (ours - theirs).norm() / theirs.norm() + functional.l1_loss(ours.log(), theirs.log())
    return loss / len(RESOLUTIONS)


class Crops:
    """Crops of all clips, on the device."""

    def __init__(self, clips: Sequence[Clip], frames: int, device: torch.device) -> None:
        long = [clip for clip in clips if len(clip.samples) >= frames * HOP]
        self._samples = torch.cat([torch.from_numpy(clip.samples) for clip in long]).to(device)
        lengths = torch.tensor([len(clip.samples) for clip in long])
        self._starts = (lengths.cumsum(0) - lengths).to(device)
        self._room = (lengths - frames * HOP).to(device)
        self._length = frames * HOP

    def draw(self, size: int) -> Tensor:
        """Float samples of shape (size, frames * HOP)."""
        device = self._samples.device
        clip = torch.randint(len(self._starts), (size,), device=device)
        start = self._starts[clip] + (torch.rand(size, device=device) * (self._room[clip] + 1)).long()
        return self._samples[start[:, None] + torch.arange(self._length, device=device)].float() / 32768


def blur(mel: Tensor) -> Tensor:
    """Half of the frames (batch, frames, MELS) made softer, as the other network's are, and all with a little noise."""
    soft = functional.avg_pool2d(mel[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    share = torch.rand(len(mel), 1, 1, device=mel.device).sub(0.5).clamp(min=0.0) * 1.4
    return torch.lerp(mel, soft, share) + 0.05 * torch.randn_like(mel)


def train_vocoder(
    clips: list[Clip],
    budget: Budget,
    seed: int,
    checkpoint: Path,
    device: torch.device,
    recipe: VocoderRecipe | None = None,
    most_steps: int | None = None,
) -> int:
    """Train until the budget is spent, resuming from `checkpoint`. Returns the number of steps."""
    recipe = recipe or VocoderRecipe()
    torch.manual_seed(seed)
    scale: Scale = measure_scale(clips, device)
    crops = Crops(clips, recipe.frames, device)
    vocoder, copy = build_vocoder().to(device).train(), build_vocoder().to(device)
    critics = nn.ModuleList([*map(PeriodCritic, PERIODS), *(SpectrumCritic(*sizes) for sizes in RESOLUTIONS)]).to(
        device
    )
    average = Average(vocoder, copy)
    fused = device.type == "cuda"
    maker = torch.optim.AdamW(vocoder.parameters(), recipe.learning_rate, (0.8, 0.99), weight_decay=0.0, fused=fused)
    judge = torch.optim.AdamW(critics.parameters(), recipe.critic_rate, (0.8, 0.99), weight_decay=0.0, fused=fused)

    def step(number: int, fraction: float) -> dict[str, Tensor]:
        rate = learning_rate_scale(number, fraction, recipe.warmup_steps, recipe.decay_from)
        set_learning_rate(maker, recipe.learning_rate * rate)
        set_learning_rate(judge, recipe.critic_rate * rate)
        true = crops.draw(recipe.batch_size)
        mel = log_mel(true)
        made = vocoder(blur(scale.normalize(mel)))
        losses = {"mel": functional.l1_loss(log_mel(made), mel), "spectra": spectral_loss(made, true)}
        loss = 2.0 * losses["mel"] + 2.0 * losses["spectra"]
        if fraction >= recipe.critics_from:
            losses["critics"] = _train_critics(critics, judge, made.detach(), true)
            losses["fooling"], likeness = _fool(critics, made, true)
            loss = loss + 0.1 * losses["fooling"] + 0.2 * likeness
        loss.backward()
        nn.utils.clip_grad_norm_(vocoder.parameters(), 5.0)
        maker.step()
        maker.zero_grad()
        average.follow(number)
        return {key: value.detach() for key, value in losses.items()}

    parts = {"model": vocoder, "average": copy, "critics": critics, "optimizer": maker, "critics_optimizer": judge}
    return train_steps("speak, samples", parts, step, budget, checkpoint, most_steps)


def _train_critics(critics: nn.ModuleList, judge: torch.optim.Optimizer, made: Tensor, true: Tensor) -> Tensor:
    """One step of the critics: 1 for true samples, 0 for made ones. Returns their loss."""
    loss = made.new_zeros(())
    for critic in critics:
        both = critic(torch.cat([true, made]))[-1]
        right, wrong = both.chunk(2)
        loss = loss + (right - 1).square().mean() + wrong.square().mean()
    judge.zero_grad()
    loss.backward()
    judge.step()
    return loss.detach()


def _fool(critics: nn.ModuleList, made: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """How far the critics see through the made samples, and how far their activations are from true ones."""
    fooling = likeness = made.new_zeros(())
    for critic in critics:
        with torch.no_grad():
            wanted = critic(true)
        found = critic(made)
        fooling = fooling + (found[-1] - 1).square().mean()
        for ours, theirs in zip(found[:-1], wanted[:-1], strict=True):
            likeness = likeness + functional.l1_loss(ours, theirs)
    return fooling, likeness
