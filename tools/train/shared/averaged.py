"""The training of the recipes with one model and one loss, to an average of its weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tools.train.shared.budget import Budget
from tools.train.shared.checkpoint import load_checkpoint
from tools.train.shared.loop import Average, train_steps

WARMUP_STEPS = 40


@dataclass(frozen=True)
class Trained:
    """The averaged model, and how much it was trained."""

    model: nn.Module
    steps: int
    seconds: float


def load_trained(model: nn.Module, path: Path) -> Trained:
    """The averaged weights of a checkpoint, put into `model`. Raises FileNotFoundError if there is none."""
    state = load_checkpoint(path)
    if state is None:
        raise FileNotFoundError(path)
    model.load_state_dict(state["average"])
    return Trained(model.float().eval(), state["step"], state["spent"])


def train(
    model: nn.Module,
    loss_of: Callable[[nn.Module, float], Tensor],
    path: Path,
    seconds: float,
    learning_rate: float,
    weight_decay: float = 0.01,
) -> None:
    """Train for `seconds` over all runs, from the checkpoint at `path` if there is one.

    `loss_of(model, fraction)` gives the loss of a step; `fraction` is the share of the time that is spent.
    """
    model.train()
    mean = copy.deepcopy(model).requires_grad_(False)
    average = Average(model, mean)
    optimizer = _Adam(model, learning_rate, weight_decay)

    def step(number: int, fraction: float) -> dict[str, Tensor]:
        loss = loss_of(model, fraction)
        loss.backward()
        optimizer.step(_scale(number, fraction))
        average.follow(number)
        return {"loss": loss.detach()}

    parts = {"model": model, "average": mean, "optimizer": optimizer}
    train_steps(path.parent.name, parts, step, Budget(seconds), path)


def _scale(step: int, fraction: float) -> float:
    """Linear warm-up by steps, constant for a third of the time, then linear decay to a hundredth."""
    return min(1.0, (step + 1) / WARMUP_STEPS) * max(0.01, min(1.0, (1.0 - fraction) / 0.66))


class _Adam:
    """AdamW at a share of its learning rate. Only matrices decay."""

    def __init__(self, model: nn.Module, learning_rate: float, weight_decay: float) -> None:
        self._parameters = list(model.parameters())
        matrices = [parameter for parameter in self._parameters if parameter.ndim >= 2]
        others = [parameter for parameter in self._parameters if parameter.ndim < 2]
        groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
        self._rate = learning_rate
        self._adam = torch.optim.AdamW(groups, learning_rate, betas=(0.9, 0.98), fused=self._parameters[0].is_cuda)
        self.state_dict, self.load_state_dict = self._adam.state_dict, self._adam.load_state_dict

    def step(self, scale: float) -> None:
        """Update at the learning rate times `scale`, and clear the gradients."""
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for group in self._adam.param_groups:
            group["lr"] = self._rate * scale
        self._adam.step()
        self._adam.zero_grad()
