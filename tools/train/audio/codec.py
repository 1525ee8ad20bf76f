"""Training of the codec on short crops, by waveform and spectrogram error: first without quantizer, then with it."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import EncodecModel

from tools.train.audio.synthesis import render
from tools.train.audio.world import FRAME_RATE, HOP, INSTRUMENTS, MAX_SECONDS, draw_piece, melodies
from tools.train.shared.budget import Budget, learning_rate_scale
from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint
from tools.train.shared.optimizer import MuonWithAdam

log = logging.getLogger(__name__)

BATCH_SIZE = 8
INITIAL_CROPS = 32
CROP_FRAMES = 13
FADE_SAMPLES = 160
LEARNING_RATE = 1e-2
# Shares of the crops by instrument, without and with the quantizer. Strong high partials take longest to learn.
EQUAL = dict.fromkeys(INSTRUMENTS, 1 / len(INSTRUMENTS))
HARD = {"bells": 0.4, "organ": 0.2, "guitar": 0.1, "piano": 0.1, "drums": 0.1, "flute": 0.05, "bass": 0.05}
# Window lengths in samples; the hop is a quarter.
WINDOWS = (128, 512, 2048)
LINEAR_WEIGHT = 10.0
LOG_FLOOR = 1e-2
CLIP_NORM = 10.0
CHECKPOINT_SECONDS = 60.0
STREAM = 1
# The lengths of weight norms are not matrices. The first and last layers see the waveform itself.
ADAM_NAMES = ("original0", "encoder.layers.0.", "decoder.layers.12.")

Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Stage:
    """Where a stage of the training keeps its checkpoint, its seconds, and the seed of its crops."""

    checkpoint: Path
    seconds: float
    seed: int


def draw_crops(rng: np.random.Generator, count: int, shares: dict[str, float]) -> Tensor:
    """Crops of random pieces (count, 1, samples). They start on a frame and have one extra frame at each end."""
    crops = []
    for _ in range(count):
        piece = draw_piece(rng, instrument=str(rng.choice(list(shares), p=list(shares.values()))))
        start = int(rng.integers(MAX_SECONDS * FRAME_RATE - CROP_FRAMES - 1))
        sound = render(piece, int(rng.integers(melodies(piece))))
        crops.append(sound[start * HOP : (start + CROP_FRAMES + 2) * HOP])
    return torch.from_numpy(np.stack(crops)[:, None])


def draw_initial_crops(seed: int) -> Tensor:
    """Crops for the data-dependent initialisation."""
    return draw_crops(np.random.default_rng((seed, STREAM)), INITIAL_CROPS, EQUAL)


def fade_ends(sound: Tensor) -> Tensor:
    """The sound (..., samples) faded in and out over FADE_SAMPLES: the target of the decoder for any codes.

    It prevents a click if a sound is cut within a note.
    """
    ramp = torch.linspace(0, 1, FADE_SAMPLES)
    faded = sound.clone()
    faded[..., :FADE_SAMPLES] *= ramp
    faded[..., -FADE_SAMPLES:] *= ramp.flip(0)
    return faded


def reconstruction_loss(sound: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of the waveform and of linear and log magnitude spectrograms. Inputs are (batch, samples)."""
    loss = LINEAR_WEIGHT * (sound - target).abs().mean()
    for size in WINDOWS:
        window = torch.hann_window(size)
        made, asked = (
            torch.stft(part, size, size // 4, window=window, return_complex=True).abs() / size**0.5
            for part in (sound, target)
        )
        loss = loss + LINEAR_WEIGHT * (made - asked).abs().mean()
        loss = loss + ((made + LOG_FLOOR).log() - (asked + LOG_FLOOR).log()).abs().mean()
    return loss


def signal_to_distortion(sound: Tensor, target: Tensor) -> float:
    """Signal-to-distortion ratio in dB over a batch."""
    return float(10 * torch.log10(target.square().sum() / (sound - target).square().sum()))


def reconstruct(codec: EncodecModel, encode: Encode, crops: Tensor) -> tuple[Tensor, Tensor]:
    """The codec's output for crops, and its target, both (batch, samples)."""
    target = fade_ends(crops[..., HOP:-HOP])
    # Latents at the ends of the crop have seen the cut. The latents of a whole sound have not.
    return codec.decoder(encode(crops)[..., 1:-1])[:, 0], target[:, 0]


def train_continuous(codec: EncodecModel, folder: Path, seconds: float, seed: int) -> None:
    """Train encoder and decoder, without the quantizer."""
    named = [(name, parameter) for name, parameter in codec.named_parameters() if parameter.requires_grad]
    _train(codec, codec.encoder, named, EQUAL, Stage(folder / "codec.pt", seconds, seed))


def train_quantized(codec: EncodecModel, folder: Path, seconds: float, seed: int) -> None:
    """Train the decoder on quantized latents. Encoder and codebooks do not change."""

    @torch.no_grad()
    def encode(crops: Tensor) -> Tensor:
        quantized: Tensor = codec.quantizer.decode(codec.quantizer.encode(codec.encoder(crops)))
        return quantized

    named = [(f"decoder.{name}", one) for name, one in codec.decoder.named_parameters() if one.requires_grad]
    _train(codec, encode, named, HARD, Stage(folder / "codec-quantized.pt", seconds, seed))


def _train(
    codec: EncodecModel,
    encode: Encode,
    named: Iterable[tuple[str, nn.Parameter]],
    shares: dict[str, float],
    stage: Stage,
) -> None:
    """Train the named parameters until the budget is spent. Resumes from the stage's checkpoint if there is one."""
    optimizer = MuonWithAdam(named, LEARNING_RATE, ADAM_NAMES)
    saved = load_checkpoint(stage.checkpoint)
    step, spent = 0, 0.0
    if saved is not None:
        codec.load_state_dict(saved["weights"])
        optimizer.load_state_dict(saved["optimizer"])
        step, spent = saved["step"], saved["spent"]
    budget = Budget(stage.seconds, spent)

    def save() -> None:
        state = {"weights": codec.state_dict(), "optimizer": optimizer.state_dict()}
        save_checkpoint(stage.checkpoint, state | {"step": step, "spent": budget.spent})

    last_saved = time.monotonic()
    while budget.fraction < 1:
        crops = draw_crops(np.random.default_rng((stage.seed, STREAM, step)), BATCH_SIZE, shares)
        sound, target = reconstruct(codec, encode, crops)
        loss = reconstruction_loss(sound, target)
        loss.backward()
        optimizer.step(learning_rate_scale(step, budget.fraction), CLIP_NORM)
        step += 1
        if step % 50 == 0:
            ratio = signal_to_distortion(sound.detach(), target)
            name = stage.checkpoint.stem
            log.info("%s step %d, %.0f s, loss %.4f, SDR %.1f dB", name, step, budget.spent, loss.item(), ratio)
        if time.monotonic() - last_saved > CHECKPOINT_SECONDS:
            save()
            last_saved = time.monotonic()
    save()
