"""A training loop with a budget of time that survives a kill, on a CPU or a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from tools.train.shared.budget import Budget
from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint

SAVE_EVERY_SECONDS = 30.0
PRINT_EVERY_SECONDS = 10.0


class Stateful(Protocol):
    """What a checkpoint holds: a module or an optimizer."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


class Average:
    """The moving average of a model's weights and buffers, kept in a copy of it."""

    def __init__(self, model: nn.Module, copy: nn.Module, decay: float = 0.999) -> None:
        copy.load_state_dict(model.state_dict())
        self._pairs = [
            (mean, value)
            for mean, value in zip(copy.state_dict().values(), model.state_dict().values(), strict=True)
            if value.is_floating_point()
        ]
        self._decay = decay

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Move the copy towards the model; quickly at first."""
        weight = 1.0 - min(self._decay, (step + 1) / (step + 10))
        torch._foreach_lerp_([mean for mean, _ in self._pairs], [value for _, value in self._pairs], weight)


def train_steps(
    name: str,
    parts: Mapping[str, Stateful],
    step: Callable[[int, float], Mapping[str, Tensor]],
    budget: Budget,
    checkpoint: Path,
    most_steps: int | None = None,
) -> int:
    """Call step(number, share of the budget spent) until the budget is spent; save the parts now and then.

    `step` returns its losses, scalars. Resumes from `checkpoint`; a checkpoint without an optimizer starts that anew.
    Returns the number of steps. `most_steps` ends it earlier (for trials).
    """
    state = load_checkpoint(checkpoint)
    number = 0
    if state is not None:
        for key, part in parts.items():
            if key in state:
                part.load_state_dict(state[key])
        number = state["step"]
        budget.spent_before += state["spent"]
    saved = printed = time.monotonic()
    last = number
    while budget.fraction < 1.0 and (most_steps is None or number < most_steps):
        losses = step(number, budget.fraction)
        number += 1
        now = time.monotonic()
        if now - printed > PRINT_EVERY_SECONDS:
            told = "  ".join(f"{key} {value.item():.4f}" for key, value in losses.items())
            pace = 1000 * (now - printed) / (number - last)
            print(f"{name}: step {number}  {budget.spent:.0f} s  {pace:.1f} ms a step  {told}", flush=True)
            printed, last = now, number
        if now - saved > SAVE_EVERY_SECONDS:
            saved = now
            _save(parts, checkpoint, number, budget.spent)
    _save(parts, checkpoint, number, budget.spent)
    print(f"{name}: {number} steps in {budget.spent:.0f} s", flush=True)
    return number


def _save(parts: Mapping[str, Stateful], checkpoint: Path, number: int, spent: float) -> None:
    state = {key: part.state_dict() for key, part in parts.items()}
    save_checkpoint(checkpoint, {**state, "step": number, "spent": spent})
