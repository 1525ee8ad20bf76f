"""More training for the decoder alone. The latents do not change, and small noise on them makes the decoder robust."""

import logging
import math
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn

from tools.train.image.autoencoder import ADAM_NAMES, BATCH_SIZE, reconstruction_loss
from tools.train.image.drawing import draw_batch
from tools.train.image.scenes import draw_training_scene
from tools.train.shared.budget import Budget, learning_rate_scale
from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint
from tools.train.shared.optimizer import MuonWithAdam

log = logging.getLogger(__name__)

LEARNING_RATE = 2e-3
LATENT_NOISE = 0.08
CHECKPOINT_SECONDS = 60.0
STREAM = 4


class _Refinement:
    """The state of the training: the decoder, its optimizer, steps and time."""

    def __init__(self, folder: Path, autoencoder: AutoencoderKL, seconds: float, seed: int) -> None:
        self._path = folder / "decoder.pt"
        self._seed = seed
        self._autoencoder = autoencoder
        self._decoder = nn.ModuleDict({"decoder": autoencoder.decoder, "post": autoencoder.post_quant_conv})
        self._optimizer = MuonWithAdam(self._decoder.named_parameters(), LEARNING_RATE, (*ADAM_NAMES, "post"))
        self.step = 0
        saved = load_checkpoint(self._path)
        if saved is not None:
            self._decoder.load_state_dict(saved["weights"])
            self._optimizer.load_state_dict(saved["optimizer"])
            self.step = saved["step"]
        self.budget = Budget(seconds, 0.0 if saved is None else saved["spent"])

    def save(self) -> None:
        """Write the checkpoint."""
        state = {"weights": self._decoder.state_dict(), "optimizer": self._optimizer.state_dict()}
        save_checkpoint(self._path, state | {"step": self.step, "spent": self.budget.spent})

    def train_step(self) -> float:
        """Update on new drawings. Returns the PSNR in dB."""
        rng = np.random.default_rng((self._seed, STREAM, self.step))
        picture = torch.from_numpy(draw_batch([draw_training_scene(rng) for _ in range(BATCH_SIZE)], rng))
        with torch.no_grad():
            latents = self._autoencoder.encode(picture).latent_dist.mean
        noise = torch.from_numpy(rng.standard_normal(latents.shape, np.float32))
        decoded = self._autoencoder.decode(latents + LATENT_NOISE * noise).sample
        reconstruction_loss(decoded, picture).backward()
        self._optimizer.step(learning_rate_scale(self.step, self.budget.fraction, warmup_steps=20, decay_from=0.0))
        self.step += 1
        return 10 * math.log10(4 / (decoded.detach() - picture).square().mean().item())


def refine_decoder(folder: Path, autoencoder: AutoencoderKL, seconds: float, seed: int) -> float:
    """Train the decoder in place until the budget is spent, resuming from a checkpoint. Returns the seconds it took."""
    refinement = _Refinement(folder, autoencoder, seconds, seed)
    saved_at = time.monotonic()
    while refinement.budget.fraction < 1:
        psnr = refinement.train_step()
        if refinement.step % 50 == 0:
            log.info("decoder step %d, %.0f s, PSNR %.1f dB", refinement.step, refinement.budget.spent, psnr)
        if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
            refinement.save()
            saved_at = time.monotonic()
    refinement.save()
    return refinement.budget.spent
