"""The training of the GPT-2. It has a time budget and can be resumed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers import GPT2Config, GPT2LMHeadModel

from tools.train.shared.budget import Budget, learning_rate_scale
from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint
from tools.train.shared.optimizer import MuonWithAdam

SAVE_EVERY_SECONDS = 120.0


@dataclass(frozen=True)
class TextRecipe:
    """What shapes the training."""

    vocab_size: int = 4096
    context: int = 256
    width: int = 256
    layers: int = 4
    heads: int = 4
    dropout: float = 0.0
    learning_rate: float = 4e-3
    decay_from: float = 0.2
    batch_size: int = 16
    """windows of `context` tokens per step"""


class WindowSource:
    """Windows of `context` + 1 tokens. Each pass uses another offset into the text and another order."""

    def __init__(self, tokens: NDArray[np.uint16], context: int, seed: int) -> None:
        self._tokens = tokens
        self._context = context
        self._seed = seed
        self._windows = (len(tokens) - 1) // context - 1
        self._pass = -1
        self._starts: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def batch(self, step: int, size: int) -> Tensor:
        """The windows of step `step`, shape (size, context + 1). The same step always gives the same windows."""
        return torch.stack([self._window(step * size + i) for i in range(size)])

    def _window(self, index: int) -> Tensor:
        number, place = divmod(index, self._windows)
        if number != self._pass:
            random = np.random.default_rng([self._seed, number])
            self._pass = number
            self._starts = random.permutation(self._windows) * self._context + random.integers(self._context)
        start = self._starts[place]
        return torch.from_numpy(self._tokens[start : start + self._context + 1].astype(np.int64))


def build_model(recipe: TextRecipe, end_of_text: int) -> GPT2LMHeadModel:
    """An untrained GPT-2 of the recipe's size."""
    config = GPT2Config(
        vocab_size=recipe.vocab_size,
        n_positions=recipe.context,
        n_embd=recipe.width,
        n_layer=recipe.layers,
        n_head=recipe.heads,
        # The same function as GPT-2's gelu_new, computed by one fused kernel.
        activation_function="gelu_pytorch_tanh",
        resid_pdrop=recipe.dropout,
        embd_pdrop=recipe.dropout,
        attn_pdrop=0.0,
        bos_token_id=end_of_text,
        eos_token_id=end_of_text,
        pad_token_id=end_of_text,
    )
    return GPT2LMHeadModel(config)


def train(
    recipe: TextRecipe, tokens: NDArray[np.uint16], end_of_text: int, seconds: float, seed: int, checkpoint: Path
) -> tuple[GPT2LMHeadModel, int]:
    """(model, steps) after training for `seconds`, resumed from `checkpoint`. `tokens` has the shape (tokens,)."""
    torch.manual_seed(seed)
    model = build_model(recipe, end_of_text).train()
    optimizer = MuonWithAdam(model.named_parameters(), recipe.learning_rate, adam_names=("wte", "wpe"))
    state = load_checkpoint(checkpoint)
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    budget = Budget(seconds, state["spent"] if state else 0.0)
    step, saved = state["step"] if state else 0, budget.spent
    losses: list[float] = []
    windows = WindowSource(tokens, recipe.context, seed)
    while budget.fraction < 1.0:
        loss = _loss(model, windows.batch(step, recipe.batch_size))
        loss.backward()
        optimizer.step(learning_rate_scale(step, budget.fraction, decay_from=recipe.decay_from))
        step += 1
        losses.append(loss.item())
        if step % 50 == 0:
            seen = step * recipe.batch_size * recipe.context / len(tokens)
            print(f"step {step}  {budget.spent:.0f} s  {seen:.2f} passes  loss {np.mean(losses):.4f}", flush=True)
            losses.clear()
        if budget.spent - saved > SAVE_EVERY_SECONDS or budget.fraction >= 1.0:
            saved = budget.spent
            parts = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            save_checkpoint(checkpoint, {**parts, "step": step, "spent": saved})
    return model.eval(), step


def _loss(model: GPT2LMHeadModel, windows: Tensor) -> Tensor:
    """Mean cross entropy in nats of the next token, over windows of shape (batch, context + 1)."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(input_ids=windows[:, :-1], use_cache=False).logits
        return functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
