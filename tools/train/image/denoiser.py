"""Training of the UNet and the text encoder together: velocity prediction on noised latents."""

import copy
import functools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from tools.train.image.latents import Pool
from tools.train.image.networks import build_denoiser, build_text_encoder
from tools.train.shared.budget import Budget, learning_rate_scale
from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint
from tools.train.shared.optimizer import MuonWithAdam

log = logging.getLogger(__name__)

BATCH_SIZE = 96
LEARNING_RATE = 5e-3
EMA_DECAY = 0.999
# High noise decides the shape, so uniform times are moved there by this factor.
TIME_SHIFT = 2.5
CHECKPOINT_SECONDS = 60.0
EXPORT_SECONDS = 600.0
STREAM = 3
ADAM_NAMES = ("embedding", "conv_in", "conv_out")


@dataclass(frozen=True)
class Conditioned:
    """The two networks that are trained together."""

    text_encoder: CLIPTextModel
    denoiser: UNet2DConditionModel

    def modules(self) -> nn.ModuleDict:
        """Both as one module, for their parameters and weights."""
        return nn.ModuleDict({"text_encoder": self.text_encoder, "denoiser": self.denoiser})


@dataclass(frozen=True)
class Effort:
    """The cost of the training: optimizer steps and seconds."""

    steps: int
    seconds: float


def build_scheduler() -> DPMSolverMultistepScheduler:
    """The scheduler of the exported pipeline. Training uses its noise levels."""
    return DPMSolverMultistepScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        algorithm_type="dpmsolver++",
        solver_order=2,
        timestep_spacing="trailing",
        steps_offset=1,
    )


def noise_levels(rng: np.random.Generator, count: int, train_steps: int) -> Tensor:
    """Training times (count,) in 0..train_steps-1: evenly spread over the batch, then shifted to high noise."""
    spread = (rng.permutation(count) + rng.random(count)) / count
    shifted = TIME_SHIFT * spread / (1 + (TIME_SHIFT - 1) * spread)
    return torch.from_numpy((shifted * train_steps).astype(np.int64)).clamp(max=train_steps - 1)


def velocity_loss(networks: Conditioned, latents: Tensor, tokens: Tensor, time: Tensor, noise: Tensor) -> Tensor:
    """Mean squared error of the velocity predicted at the given times."""
    alphas = _cumulative_alphas()[time].view(-1, 1, 1, 1)
    signal, sigma = alphas.sqrt(), (1 - alphas).sqrt()
    hidden = networks.text_encoder(tokens).last_hidden_state
    predicted = networks.denoiser(signal * latents + sigma * noise, time, hidden).sample
    return nn.functional.mse_loss(predicted, signal * noise - sigma * latents)


@functools.cache
def _cumulative_alphas() -> Tensor:
    alphas: Tensor = build_scheduler().alphas_cumprod
    return alphas


@torch.no_grad()
def _update_average(average: nn.Module, current: nn.Module, step: int) -> None:
    decay = min(EMA_DECAY, (step + 1) / (step + 10))
    for kept, new in zip(average.parameters(), current.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


class _Training:
    """The state of the training: networks, their average, optimizer, steps and time."""

    def __init__(self, folder: Path, tokenizer: CLIPTokenizer, seconds: float, seed: int) -> None:
        torch.manual_seed(seed)
        self._path = folder / "denoiser.pt"
        self._seed = seed
        self._networks = Conditioned(build_text_encoder(tokenizer), build_denoiser())
        self._modules = self._networks.modules()
        self.average = copy.deepcopy(self._networks)
        self._average_modules = self.average.modules()
        self._optimizer = MuonWithAdam(self._modules.named_parameters(), LEARNING_RATE, ADAM_NAMES)
        self.step = 0
        saved = load_checkpoint(self._path)
        if saved is not None:
            self._modules.load_state_dict(saved["weights"])
            self._average_modules.load_state_dict(saved["average"])
            self._optimizer.load_state_dict(saved["optimizer"])
            self.step = saved["step"]
        self.budget = Budget(seconds, 0.0 if saved is None else saved["spent"])

    def save(self) -> None:
        """Write the checkpoint."""
        weights = {"weights": self._modules.state_dict(), "average": self._average_modules.state_dict()}
        progress = {"step": self.step, "spent": self.budget.spent}
        save_checkpoint(self._path, weights | progress | {"optimizer": self._optimizer.state_dict()})

    def train_step(self, pool: Pool) -> float:
        """Update on one batch of the pool. Returns the loss."""
        rng = np.random.default_rng((self._seed, STREAM, self.step))
        latents, tokens = pool.draw(rng, BATCH_SIZE)
        noise = torch.from_numpy(rng.standard_normal(latents.shape, np.float32))
        loss = velocity_loss(self._networks, latents, tokens, noise_levels(rng, BATCH_SIZE, 1000), noise)
        loss.backward()
        self._optimizer.step(learning_rate_scale(self.step, self.budget.fraction, warmup_steps=100))
        _update_average(self._average_modules, self._modules, self.step)
        self.step += 1
        return loss.item()


def train_denoiser(
    folder: Path, pool: Pool, tokenizer: CLIPTokenizer, seconds: float, seed: int, export: Callable[[Conditioned], None]
) -> Effort:
    """Train until the budget is spent, and export the averaged weights from time to time. Resumes from a checkpoint."""
    training = _Training(folder, tokenizer, seconds, seed)
    saved_at = exported_at = time.monotonic()
    losses: list[float] = []
    while training.budget.fraction < 1:
        losses.append(training.train_step(pool))
        if training.step % 50 == 0:
            mean = sum(losses[-50:]) / len(losses[-50:])
            log.info("denoiser step %d, %.0f s, loss %.4f", training.step, training.budget.spent, mean)
        if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
            training.save()
            saved_at = time.monotonic()
        if time.monotonic() - exported_at > EXPORT_SECONDS:
            export(training.average)
            exported_at = time.monotonic()
    training.save()
    export(training.average)
    return Effort(training.step, training.budget.spent)
