"""Linear layers of a float32 model on the CPU, multiplied by oneDNN. Imported inside functions only: it loads torch.

torch multiplies them by MKL, which on AMD's processors takes 1.2 to 2.7 times as long (measured on an EPYC with
AVX-512, for 1 to 256 rows). torch's op for oneDNN, which its compiler uses, takes the same weights as they are.
"""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch  # noqa: TID253
from torch import nn  # noqa: TID253
from transformers.pytorch_utils import Conv1D  # noqa: TID253

from genai_cli.device.private import has_onednn_product, multiply_by_onednn

PROCESSORS = Path("/proc/cpuinfo")


class OneDnnLinear(nn.Linear):  # type: ignore[misc]
    """A Linear by oneDNN."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """From (..., inputs) to (..., outputs)."""
        return multiply_by_onednn(values, self.weight, self.bias)


class OneDnnConv1D(Conv1D):  # type: ignore[misc]
    """GPT-2's linear layer by oneDNN; its weight has the shape (inputs, outputs)."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """From (..., inputs) to (..., outputs)."""
        # A single row times a weight of this shape is the one product that MKL does faster.
        if values.numel() == values.shape[-1]:
            return super().forward(values)
        return multiply_by_onednn(values, self.weight.t(), self.bias)


FASTER = {nn.Linear: OneDnnLinear, Conv1D: OneDnnConv1D}


def use_onednn(model: nn.Module) -> None:
    """Have the float32 linear layers of a model on the CPU multiplied by oneDNN, where that is faster.

    Only the classes of the layers change: no weight is copied. Subclasses of Linear stay as they are.
    """
    if not mkl_is_slow():
        return
    for module in model.modules():
        if type(module) in FASTER and module.weight.dtype is torch.float32:
            module.__class__ = FASTER[type(module)]


@contextmanager
def leave_onednn(model: nn.Module) -> Iterator[None]:
    """Have the layers of a model multiplied by torch's own op, which other programs than torch know."""
    changed = [module for module in model.modules() if type(module) in FASTER.values()]
    plain = {faster: own for own, faster in FASTER.items()}
    classes = [type(module) for module in changed]
    for module in changed:
        module.__class__ = plain[type(module)]
    try:
        yield
    finally:
        for module, faster in zip(changed, classes, strict=True):
            module.__class__ = faster


def mkl_is_slow() -> bool:
    """Whether torch multiplies by MKL on a processor of AMD, and has oneDNN too."""
    if not (torch.backends.mkl.is_available() and has_onednn_product()):
        return False
    made_by = PROCESSORS.read_text() if PROCESSORS.is_file() else platform.processor()
    return "AuthenticAMD" in made_by
