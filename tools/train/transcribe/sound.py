"""Windows of sound from clips, on the device: rooms, colours of microphones, noise; and whisper's features of them."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from transformers import WhisperFeatureExtractor

from tools.train.shared.speech import SAMPLING_RATE
from tools.train.transcribe.tokens import SECONDS

LENGTH = SECONDS * SAMPLING_RATE
MELS = 80
ROOMS = 96


def feature_extractor() -> WhisperFeatureExtractor:
    """Whisper's own, for windows of SECONDS."""
    return WhisperFeatureExtractor(feature_size=MELS, chunk_length=SECONDS)


@cache
def _filters(device: torch.device) -> Tensor:
    return torch.from_numpy(feature_extractor().mel_filters).float().to(device)


def whisper_features(samples: Tensor) -> Tensor:
    """What WhisperFeatureExtractor gives for float samples (batch, LENGTH): (batch, MELS, LENGTH / 160)."""
    window = torch.hann_window(400, device=samples.device)
    spectrum = torch.stft(samples, 400, 160, window=window, return_complex=True)[..., :-1]
    power = spectrum.real.square() + spectrum.imag.square()
    mel = (_filters(samples.device).T @ power).clamp(min=1e-10).log10()
    mel = torch.maximum(mel, mel.amax((1, 2), keepdim=True) - 8.0)
    return (mel + 4.0) / 4.0


def place_clips(bank: Tensor, starts: Tensor, lengths: Tensor, places: Tensor, rates: Tensor) -> Tensor:
    """Windows (batch, LENGTH) of clips of the int16 `bank`; the others have the shape (batch, slots)."""
    windows = torch.zeros(len(starts), LENGTH, device=bank.device)
    clock = torch.arange(LENGTH, device=bank.device)
    for slot in range(starts.shape[1]):
        begin, length = starts[:, slot, None], lengths[:, slot, None]
        at = (clock - places[:, slot, None]) * rates[:, slot, None]
        inside = (at >= 0) & (at < length - 1)
        whole = at.clamp(min=0).long().minimum((length - 2).clamp(min=0))
        share = at - whole
        low, high = bank[begin + whole].float(), bank[begin + whole + 1].float()
        gain = 10 ** (0.3 * torch.rand(len(starts), 1, device=bank.device) - 0.15)
        windows += torch.where(inside, (low + (high - low) * share) * gain / 32768, 0.0)
    return windows


@cache
def _rooms(device: torch.device) -> Tensor:
    """Spectra of simple rooms: the direct sound, then noise that dies away within 0.1 to 0.7 s."""
    generator = torch.Generator().manual_seed(7)
    clock = torch.arange(SAMPLING_RATE // 2) / SAMPLING_RATE
    lasting = torch.rand(ROOMS, 1, generator=generator) * 0.6 + 0.1
    tail = torch.randn(ROOMS, len(clock), generator=generator) * torch.exp(-6.9 * clock / lasting)
    tail[:, : SAMPLING_RATE // 400] = 0.0
    strength = torch.rand(ROOMS, 1, generator=generator) * 0.9 + 0.1
    tail = tail / tail.norm(dim=1, keepdim=True) * strength
    tail[:, 0] = 1.0
    return torch.fft.rfft(tail, LENGTH + SAMPLING_RATE // 2).to(device)


def disturb(windows: Tensor, snr: tuple[float, float] = (3.0, 35.0)) -> Tensor:
    """Windows in rooms, through microphones, with noise or other voices, each at a loudness of its own."""
    size, device = len(windows), windows.device
    padded = LENGTH + SAMPLING_RATE // 2
    spectrum = torch.fft.rfft(windows, padded)
    rooms = _rooms(device)[torch.randint(ROOMS, (size,), device=device)]
    inside = (torch.rand(size, 1, device=device) < 0.4).float()
    spectrum = spectrum * (rooms * inside + (1 - inside))
    knots = torch.randn(size, 1, 8, device=device) * 4.0 * (torch.rand(size, 1, 1, device=device) < 0.6)
    curve = torch.nn.functional.interpolate(knots, spectrum.shape[-1], mode="linear", align_corners=True)[:, 0]
    speech = torch.fft.irfft(spectrum * 10 ** (curve / 20), padded)[:, :LENGTH]
    return _limit(add_noise(speech, *_draw_snr(size, snr, device)))


def _draw_snr(size: int, snr: tuple[float, float], device: torch.device) -> tuple[Tensor, Tensor]:
    """(dB of each window, kind of its noise: colours from 0 to 2, or 3 for other voices)."""
    low, high = snr
    level = torch.rand(size, 1, device=device) * (high - low) + low
    quiet = torch.rand(size, 1, device=device) < 0.25
    return torch.where(quiet, 60.0, level), torch.randint(4, (size, 1), device=device)


def add_noise(speech: Tensor, snr: Tensor, kind: Tensor) -> Tensor:
    """Noise at `snr` dB (batch, 1) under the loudness of the speech itself, of a kind (batch, 1): see _draw_snr."""
    bins = LENGTH // 2 + 1
    pitch = torch.arange(1, bins + 1, device=speech.device) / bins
    slope = (kind.float().clamp(max=2.0) / 2.0) * 0.9
    white = torch.fft.rfft(torch.randn_like(speech))
    coloured = torch.fft.irfft(white * pitch[None] ** -slope, LENGTH)
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
