"""Training of the autoencoder on drawings that are made on the fly."""

import logging
import math
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from tools.train.image.drawing import draw_batch
from tools.train.image.networks import build_autoencoder
from tools.train.image.scenes import draw_training_scene
from tools.train.shared.budget import Budget, learning_rate_scale
from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint
from tools.train.shared.optimizer import MuonWithAdam

log = logging.getLogger(__name__)

BATCH_SIZE = 16
LEARNING_RATE = 5e-3
KL_WEIGHT = 1e-4
CHECKPOINT_SECONDS = 60.0
STREAM = 1
ADAM_NAMES = ("conv_in", "conv_out", "quant_conv")


def reconstruction_loss(picture: Tensor, target: Tensor) -> Tensor:
    """Mean absolute and squared error of pixels, plus the absolute error of neighbours' differences for crisp edges."""
    error = picture - target
    across, down = error.diff(dim=-1), error.diff(dim=-2)
    return error.abs().mean() + error.square().mean() + across.abs().mean() + down.abs().mean()


def _step_loss(autoencoder: AutoencoderKL, picture: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The training loss, and the squared error for the log."""
    posterior = autoencoder.encode(picture).latent_dist
    decoded = autoencoder.decode(posterior.sample(generator)).sample
    kl = posterior.kl().mean() / posterior.mean[0].numel()
    loss = reconstruction_loss(decoded, picture) + KL_WEIGHT * kl
    return loss, (decoded.detach() - picture).square().mean()


class _Training:
    """The state of the training: network, optimizer, steps and time."""

    def __init__(self, folder: Path, seconds: float, seed: int) -> None:
        torch.manual_seed(seed)
        self._path = folder / "autoencoder.pt"
        self._seed = seed
        self.autoencoder = build_autoencoder()
        self._optimizer = MuonWithAdam(self.autoencoder.named_parameters(), LEARNING_RATE, ADAM_NAMES)
        self.step = 0
        saved = load_checkpoint(self._path)
        if saved is not None:
            self.autoencoder.load_state_dict(saved["weights"])
            self._optimizer.load_state_dict(saved["optimizer"])
            self.step = saved["step"]
        self.budget = Budget(seconds, 0.0 if saved is None else saved["spent"])

    def save(self) -> None:
        """Write the checkpoint."""
        state = {"weights": self.autoencoder.state_dict(), "optimizer": self._optimizer.state_dict()}
        save_checkpoint(self._path, state | {"step": self.step, "spent": self.budget.spent})

    def train_step(self) -> tuple[float, float]:
        """Update on new drawings. Returns the loss and the PSNR in dB."""
        rng = np.random.default_rng((self._seed, STREAM, self.step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        picture = torch.from_numpy(draw_batch([draw_training_scene(rng) for _ in range(BATCH_SIZE)], rng))
        loss, squared = _step_loss(self.autoencoder, picture, generator)
        loss.backward()
        self._optimizer.step(learning_rate_scale(self.step, self.budget.fraction))
        self.step += 1
        return loss.item(), 10 * math.log10(4 / squared.item())


def train_autoencoder(folder: Path, seconds: float, seed: int) -> tuple[AutoencoderKL, float]:
    """Train until the budget is spent, resuming from the folder's checkpoint. Also returns the seconds it took."""
    training = _Training(folder, seconds, seed)
    saved_at = time.monotonic()
    while training.budget.fraction < 1:
        loss, psnr = training.train_step()
        if training.step % 50 == 0:
            spent = training.budget.spent
            log.info("autoencoder step %d, %.0f s, loss %.4f, PSNR %.1f dB", training.step, spent, loss, psnr)
        if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
            training.save()
            saved_at = time.monotonic()
    training.save()
    return training.autoencoder.eval(), training.budget.spent
