"""Windows of sound from clips: rooms, colours of microphones, noise; and Parakeet's features of them."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from transformers import BatchFeature, ParakeetFeatureExtractor

from tools.train.shared.speech import SAMPLING_RATE

MELS = 40
ROOMS = 96
ECHO = SAMPLING_RATE // 2


@cache
def feature_extractor() -> ParakeetFeatureExtractor:
    """Parakeet's own."""
    return ParakeetFeatureExtractor(feature_size=MELS)


def read_features(windows: Tensor, lengths: list[int]) -> BatchFeature:
    """The features of windows (batch, samples), of which so many samples each count, with their mask."""
    sounds = [window[:length].numpy() for window, length in zip(windows.cpu(), lengths, strict=True)]
    return feature_extractor()(sounds, sampling_rate=SAMPLING_RATE, return_attention_mask=True, return_tensors="pt")


@cache
def _rooms(device: torch.device) -> Tensor:
    """Simple rooms, (ROOMS, ECHO): the direct sound, then noise that dies away within 0.1 to 0.7 s."""
    generator = torch.Generator().manual_seed(7)
    clock = torch.arange(ECHO) / SAMPLING_RATE
    lasting = torch.rand(ROOMS, 1, generator=generator) * 0.6 + 0.1
    tail = torch.randn(ROOMS, ECHO, generator=generator) * torch.exp(-6.9 * clock / lasting)
    tail[:, : SAMPLING_RATE // 400] = 0.0
    strength = torch.rand(ROOMS, 1, generator=generator) * 0.9 + 0.1
    tail = tail / tail.norm(dim=1, keepdim=True) * strength
    tail[:, 0] = 1.0
    return tail.to(device)


def disturb(windows: Tensor, snr: tuple[float, float] = (2.0, 25.0)) -> Tensor:
    """Windows in rooms, through microphones, with noise or other voices, each at a loudness of its own."""
    (size, length), device = windows.shape, windows.device
    padded = length + ECHO
    spectrum = torch.fft.rfft(windows, padded)
    in_room = torch.nonzero(torch.rand(size, device=device) < 0.3).flatten()
    rooms = _rooms(device)[torch.randint(ROOMS, (len(in_room),), device=device)]
    spectrum[in_room] *= torch.fft.rfft(rooms, padded)
    knots = torch.randn(size, 1, 8, device=device) * 4.0 * (torch.rand(size, 1, 1, device=device) < 0.6)
    curve = torch.nn.functional.interpolate(knots, spectrum.shape[-1], mode="linear", align_corners=True)[:, 0]
    speech = torch.fft.irfft(spectrum * 10 ** (curve / 20), padded)[:, :length]
    return _limit(add_noise(speech, *_draw_snr(size, snr, device)))


def _draw_snr(size: int, snr: tuple[float, float], device: torch.device) -> tuple[Tensor, Tensor]:
    """(dB of each window, kind of its noise: colours from 0 to 2, or 3 for other voices)."""
    low, high = snr
    level = torch.rand(size, 1, device=device) * (high - low) + low
    quiet = torch.rand(size, 1, device=device) < 0.2
    kinds = torch.tensor([0, 0, 0, 0, 1, 2, 3], device=device)
    return torch.where(quiet, 60.0, level), kinds[torch.randint(len(kinds), (size, 1), device=device)]


def add_noise(speech: Tensor, snr: Tensor, kind: Tensor) -> Tensor:
    """Noise at `snr` dB (batch, 1) under the loudness of the speech itself, of a kind (batch, 1): see _draw_snr."""
    length = speech.shape[1]
    bins = length // 2 + 1
    pitch = torch.arange(1, bins + 1, device=speech.device) / bins
    slope = (kind.float().clamp(max=2.0) / 2.0) * 0.9
    white = torch.fft.rfft(torch.randn_like(speech))
    coloured = torch.fft.irfft(white * pitch[None] ** -slope, length)
    babble = sum(speech.roll((shift, 9000 * shift), (0, 1)) for shift in (1, 2, 3, 4)) + 1e-4 * coloured
    noise = torch.where(kind == 3, babble, coloured)
    active = speech.abs() > 1e-3
    power = (speech.square() * active).sum(1, keepdim=True) / active.sum(1, keepdim=True).clamp(min=1)
    power = torch.where(power > 0, power, 10 ** -(torch.rand_like(power) * 4 + 2))
    wanted = (power / 10 ** (snr / 10)).sqrt()
    return speech + noise * wanted / (noise.square().mean(1, keepdim=True).sqrt() + 1e-8)


def _limit(windows: Tensor) -> Tensor:
    peak = windows.abs().amax(1, keepdim=True).clamp(min=1e-6)
    loudness = 10 ** (-torch.rand(len(windows), 1, device=windows.device) * 1.3)
    return windows / peak * loudness * 0.95
