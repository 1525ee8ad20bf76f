"""Muon in float32. torch's own computes in bfloat16, which takes a CPU without such instructions four times a step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonalized(matrices: Tensor) -> Tensor:
    """The nearest matrices with equal singular values, about, of matrices (count, rows, columns): Newton-Schulz."""
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide else x.mT


class FloatMuonWithAdam:
    """Muon for matrices, Adam for all else and for parameters whose name has one of `adam_names` in it."""

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]], lr: float, adam_names: tuple[str, ...]) -> None:
        self._shapes: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        others: list[nn.Parameter] = []
        for name, parameter in named:
            adam = parameter.ndim != 2 or any(part in name for part in adam_names)
            (others if adam else self._shapes[parameter.shape]).append(parameter)
        self._momentum = {
            shape: torch.zeros(len(group), *shape, device=group[0].device) for shape, group in self._shapes.items()
        }
        self._lr = lr
        self._adam = torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.99), weight_decay=0.0)
        self._parameters = others + [parameter for group in self._shapes.values() for parameter in group]

    @torch.no_grad()
    def step(self, lr_scale: float, clip_norm: float = 1.0) -> None:
        """Update all parameters at lr * lr_scale and clear their gradients."""
        nn.utils.clip_grad_norm_(self._parameters, clip_norm)
        for shape, group in self._shapes.items():
            gradients = torch.stack([p.grad if p.grad is not None else torch.zeros_like(p) for p in group])
            momentum = self._momentum[shape].lerp_(gradients, 1 - MOMENTUM)
            updates = orthogonalized(gradients.lerp(momentum, MOMENTUM))
            rate = 0.2 * max(shape) ** 0.5 * self._lr * lr_scale
            for parameter, update in zip(group, updates, strict=True):
                parameter.sub_(update, alpha=rate)
        for settings in self._adam.param_groups:
            settings["lr"] = self._lr * lr_scale
        self._adam.step()
        for parameter in self._parameters:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The momentum and Adam's state."""
        return {"momentum": self._momentum, "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state from state_dict()."""
        self._momentum = {
            shape: momentum.to(self._momentum[shape].device) for shape, momentum in state["momentum"].items()
        }
        self._adam.load_state_dict(state["adam"])
