"""One optimizer that uses Muon for weight matrices and convolutions, and Adam for everything else."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class MuonWithAdam:
    """Two optimizers over one set of named parameters.

    torch's Muon takes only matrices, so it gets each convolution kernel as a matrix (out, in * h * w) that shares its
    memory. Adam handles parameters whose name contains one of `adam_names` (embeddings, first and last layers).
    """

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]], lr: float, adam_names: tuple[str, ...]) -> None:
        others: list[nn.Parameter] = []
        self._views: list[tuple[nn.Parameter, nn.Parameter]] = []
        for name, parameter in named:
            if parameter.ndim < 2 or any(part in name for part in adam_names):
                others.append(parameter)
            else:
                self._views.append((parameter, nn.Parameter(parameter.data.flatten(1))))
        views = [view for _, view in self._views]
        self._lr = lr
        self._muon = torch.optim.Muon(views, lr=lr, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
        self._adam = torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.99), weight_decay=0.0)
        self._parameters = others + [parameter for parameter, _ in self._views]

    def step(self, lr_scale: float, clip_norm: float = 1.0) -> Tensor:
        """Update all parameters at lr * lr_scale and clear their gradients. Returns their norm before clipping."""
        norm = nn.utils.clip_grad_norm_(self._parameters, clip_norm)
        for parameter, view in self._views:
            view.grad = None if parameter.grad is None else parameter.grad.flatten(1)
        for optimizer in (self._muon, self._adam):
            for group in optimizer.param_groups:
                group["lr"] = self._lr * lr_scale
            optimizer.step()
        for parameter in self._parameters:
            parameter.grad = None
        return norm

    def state_dict(self) -> dict[str, Any]:
        """The state of both optimizers."""
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state from state_dict()."""
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])
