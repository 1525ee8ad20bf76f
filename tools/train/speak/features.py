"""What the networks see of speech: log mel frames, and pitch and loudness by frame."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from transformers.audio_utils import mel_filter_bank

from tools.train.shared.speech import SAMPLING_RATE

HOP = 256
WINDOW = 1024
MELS = 80
FLOOR = 1e-4
LOWEST_PITCH, HIGHEST_PITCH = 60, 400
"""Hz"""


@cache
def _filters(device: torch.device, window: int) -> Tensor:
    """Mel filters of shape (window / 2 + 1, MELS)."""
    bank = mel_filter_bank(
        window // 2 + 1, MELS, 0.0, SAMPLING_RATE / 2, SAMPLING_RATE, norm="slaney", mel_scale="slaney"
    )
    return torch.from_numpy(bank).float().to(device)


def log_mel(samples: Tensor, hop: int = HOP, window: int = WINDOW) -> Tensor:
    """Log mel frames of float samples (batch, samples): shape (batch, samples // hop, MELS)."""
    return _magnitude(samples, hop, window).matmul(_filters(samples.device, window)).clamp(min=FLOOR).log()


def _magnitude(samples: Tensor, hop: int, window: int) -> Tensor:
    shape = torch.hann_window(window, device=samples.device)
    spectrum = torch.stft(samples, window, hop, window=shape, pad_mode="reflect", return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    return (power[..., : samples.shape[-1] // hop] + 1e-9).sqrt().transpose(1, 2)


def pitch_and_loudness(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Log pitch in Hz (0 where there is no voice) and log loudness of each frame, both (batch, samples // HOP)."""
    count = samples.shape[-1] // HOP
    padded = torch.nn.functional.pad(samples, (WINDOW // 2, WINDOW // 2))
    frames = padded.unfold(-1, WINDOW, HOP)[:, :count] * torch.hann_window(WINDOW, device=samples.device)
    spectrum = torch.fft.rfft(frames, 2 * WINDOW)
    likeness = torch.fft.irfft(spectrum.real.square() + spectrum.imag.square())
    window = torch.fft.rfft(torch.hann_window(WINDOW, device=samples.device), 2 * WINDOW).abs().square()
    shape = torch.fft.irfft(window)
    likeness = likeness / (likeness[..., :1] + 1e-5) / (shape / shape[0]).clamp(min=0.05)
    first, last = SAMPLING_RATE // HIGHEST_PITCH, SAMPLING_RATE // LOWEST_PITCH
    best, lag = likeness[..., first:last].max(-1)
    pitch = torch.log(SAMPLING_RATE / (lag + first).float())
    return torch.where(best > 0.5, pitch, 0.0), frames.square().mean(-1).clamp(min=1e-7).log()
