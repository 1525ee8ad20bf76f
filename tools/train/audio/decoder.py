"""Training of text encoder and decoder on the codes of the pool: next-code prediction in MusicGen's delay pattern."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import BatchEncoding, MusicgenForConditionalGeneration, PreTrainedTokenizerFast

from tools.train.audio.captions import draw_captioned
from tools.train.audio.networks import CODEBOOKS, CODES
from tools.train.audio.pool import Pool
from tools.train.audio.probes import caption_effects
from tools.train.audio.text import tokenize, train_text_encoder
from tools.train.shared.budget import Budget, learning_rate_scale
from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint
from tools.train.shared.optimizer import MuonWithAdam

log = logging.getLogger(__name__)

BATCH_SIZE = 16
LEARNING_RATE = 3e-3
SHORT_FRAMES = 60
SHORT_SHARE = 0.65  # of the steps
TEXT_SHARE = 0.025  # of the time
UNCONDITIONAL_SHARE = 0.1
FIRST_CODEBOOK_WEIGHT = 4.0
CHECKPOINT_SECONDS = 60.0
EXPORT_SECONDS = 480.0
PROBE_STEPS = 200
STREAM = 3
CODEC_PREFIX = "audio_encoder."
ADAM_NAMES = ("embed", "shared", "lm_heads", "bias")

Model = MusicgenForConditionalGeneration
Export = Callable[[Model], None]


@dataclass(frozen=True)
class Trained:
    """The trained model, and what it cost: optimizer steps and seconds."""

    model: Model
    steps: int
    seconds: float


def delay(codes: Tensor) -> Tensor:
    """Codes (batch, codebooks, frames) in the delay pattern, (batch, codebooks, frames + codebooks).

    One start token comes first. Each codebook starts one step after the previous one. Padding is the same token.
    Source: MusicGen, https://arxiv.org/abs/2306.05284, section 2.2.
    """
    batch, books, frames = codes.shape
    delayed = torch.full((batch, books, frames + books), CODES)
    for book in range(books):
        delayed[:, book, book + 1 : book + 1 + frames] = codes[:, book]
    return delayed


def codebook_losses(model: Model, tokens: BatchEncoding, codes: Tensor) -> Tensor:
    """Mean cross entropy of each codebook and clip in nats per code, (batch, codebooks)."""
    delayed = delay(codes)
    output = model(**tokens, decoder_input_ids=delayed[..., :-1].flatten(0, 1))
    target = delayed[..., 1:].flatten(0, 1)
    losses = nn.functional.cross_entropy(output.logits.transpose(1, 2), target, reduction="none", ignore_index=CODES)
    return losses.sum(1).view(-1, CODEBOOKS) / codes.shape[2]


def weighted(losses: Tensor) -> Tensor:
    """The mean over codebooks of (batch, codebooks). The first codebook counts FIRST_CODEBOOK_WEIGHT times."""
    weights = torch.ones(CODEBOOKS)
    weights[0] = FIRST_CODEBOOK_WEIGHT
    return (losses.mean(0) * weights / weights.sum()).sum()


class Training:
    """The state of the training: model, optimizer, steps and time."""

    def __init__(self, model: Model, tokenizer: PreTrainedTokenizerFast, pool: Pool, seconds: float, seed: int) -> None:
        self.model = model
        self._tokenizer = tokenizer
        self._pool = pool
        self._seed = seed
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        self._optimizer = MuonWithAdam(named, LEARNING_RATE, ADAM_NAMES)
        self.step = 0
        self.budget = Budget(seconds)

    def load(self, saved: dict[str, Any]) -> None:
        """Restore a checkpoint."""
        self.model.load_state_dict(saved["weights"], strict=False)
        self._optimizer.load_state_dict(saved["optimizer"])
        self.step = saved["step"]
        self.budget.spent_before = saved["spent"]

    def save(self, path: Path) -> None:
        """Write the checkpoint."""
        # The codec is not saved. It has its own checkpoints, and its training may have continued since.
        weights = {name: value for name, value in self.model.state_dict().items() if not name.startswith(CODEC_PREFIX)}
        state = {"weights": weights, "optimizer": self._optimizer.state_dict()}
        save_checkpoint(path, state | {"step": self.step, "spent": self.budget.spent})

    def train_step(self) -> list[float]:
        """Update on one batch. Returns the loss of each codebook in nats per code."""
        rng = np.random.default_rng((self._seed, STREAM, self.step))
        drawn = [draw_captioned(rng, held_out=False) for _ in range(BATCH_SIZE)]
        codes = torch.stack([self._pool.draw(one.piece, rng) for one in drawn])
        if rng.random() < SHORT_SHARE:
            codes = codes[..., :SHORT_FRAMES]
        tokens = tokenize(self._tokenizer, [one.text for one in drawn])
        # MusicGen's null condition: the model does not attend to the caption.
        tokens["attention_mask"][torch.from_numpy(rng.random(BATCH_SIZE) < UNCONDITIONAL_SHARE)] = 0
        losses = codebook_losses(self.model, tokens, codes)
        weighted(losses).backward()
        self._optimizer.step(learning_rate_scale(self.step, self.budget.fraction, warmup_steps=100))
        self.step += 1
        mean: list[float] = losses.detach().mean(0).tolist()
        return mean

    def log_probe(self, losses: list[float]) -> None:
        """Log the losses, and how much each attribute of the caption matters."""
        effects = caption_effects(self._tokenizer, self._pool, self._compute_losses, self._seed)
        shown = ", ".join(f"{name} {effect:+.2f}" for name, effect in effects.items())
        nats = " ".join(f"{loss:.3f}" for loss in losses)
        log.info("decoder step %d, %.0f s, losses %s; wrong: %s", self.step, self.budget.spent, nats, shown)

    @torch.no_grad()
    def _compute_losses(self, tokens: BatchEncoding, codes: Tensor) -> Tensor:
        return codebook_losses(self.model, tokens, codes).sum(1) * codes.shape[2]


def train_decoder(
    folder: Path,
    model: Model,
    tokenizer: PreTrainedTokenizerFast,
    pool: Pool,
    seconds: float,
    seed: int,
    export: Export,
) -> Trained:
    """Train until the budget is spent, and export from time to time. Resumes from a checkpoint."""
    path = folder / "decoder.pt"
    training = Training(model, tokenizer, pool, seconds, seed)
    saved = load_checkpoint(path)
    if saved is None:
        train_text_encoder(model, tokenizer, TEXT_SHARE * seconds, seed)
    else:
        training.load(saved)
    saved_at = exported_at = time.monotonic()
    while training.budget.fraction < 1:
        losses = training.train_step()
        if training.step % PROBE_STEPS == 0:
            training.log_probe(losses)
        if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
            training.save(path)
            saved_at = time.monotonic()
        if time.monotonic() - exported_at > EXPORT_SECONDS:
            export(model)
            exported_at = time.monotonic()
    training.save(path)
    export(model)
    return Trained(model, training.step, training.budget.spent)
