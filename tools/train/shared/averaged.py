"""The training loop of the recipes that fit in some minutes: a time budget, averaged weights, checkpoints."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from tools.train.shared.budget import Budget
from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint
from tools.train.shared.muon32 import FloatMuonWithAdam

SAVE_EVERY_SECONDS = 30.0
SAY_EVERY_SECONDS = 10.0
WARMUP_STEPS = 40
AVERAGE_DECAY = 0.999


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
    muon: tuple[str, ...] | None = None,
    average_decay: float = AVERAGE_DECAY,
) -> Trained:
    """Train for `seconds` over all runs, from the checkpoint at `path` if there is one.

    `loss_of(model, fraction)` gives the loss of a step; `fraction` is the share of the time that is spent.
    `muon` are the names of parameters that Muon does not take; without it everything is AdamW's.
    """
    model.train()
    average = copy.deepcopy(model).requires_grad_(False)
    optimizer: FloatMuonWithAdam | _Adam = _Adam(model, learning_rate, weight_decay)
    if muon is not None:
        optimizer = FloatMuonWithAdam(model.named_parameters(), learning_rate, muon)
    state = load_checkpoint(path)
    if state is not None:
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    step = state["step"] if state else 0
    budget = Budget(seconds, state["spent"] if state else 0.0)
    saved = said = budget.spent
    while budget.fraction < 1.0:
        scale = _scale(step, budget.fraction)
        loss = loss_of(model, budget.fraction)
        loss.backward()
        optimizer.step(scale)
        step += 1
        _follow(average, model, min(average_decay, step / (step + 10)))
        spent = budget.spent
        if spent - said > SAY_EVERY_SECONDS or budget.fraction >= 1.0:
            said = spent
            print(f"step {step}  {spent:.0f} s  rate {learning_rate * scale:.2e}  loss {loss.item():.4f}", flush=True)
        if spent - saved > SAVE_EVERY_SECONDS or budget.fraction >= 1.0:
            saved = spent
            _save(path, model, average, optimizer, step, spent)
    return Trained(average.float().eval(), step, budget.spent)


def _scale(step: int, fraction: float) -> float:
    """Linear warm-up by steps, constant for a third of the time, then linear decay to a hundredth."""
    return min(1.0, (step + 1) / WARMUP_STEPS) * max(0.01, min(1.0, (1.0 - fraction) / 0.66))


class _Adam:
    """AdamW with the calls of FloatMuonWithAdam. Only matrices decay."""

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


def _save(
    path: Path, model: nn.Module, average: nn.Module, optimizer: FloatMuonWithAdam | _Adam, step: int, spent: float
) -> None:
    state = {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
    save_checkpoint(path, {**state, "step": step, "spent": spent})


def _follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    slow, fast = list(average.parameters()), [parameter.detach() for parameter in model.parameters()]
    get_ema_multi_avg_fn(decay)(slow, fast, None)
