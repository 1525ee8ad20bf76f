"""Linear layers of a float32 model on the CPU, multiplied by oneDNN. Imported inside functions only: it loads torch.

torch gives them to MKL, which on AMD's processors takes 1.2 to 2.7 times as long (measured on an EPYC with AVX-512, for
1 to 256 rows): torch's own op for oneDNN, which its compiler uses, takes the same weights as they lie.
"""

import platform
from pathlib import Path
from typing import Any

import torch  # noqa: TID253
from torch import nn  # noqa: TID253
from transformers.pytorch_utils import Conv1D  # noqa: TID253

PROCESSORS = Path("/proc/cpuinfo")


class OneDnnLinear(nn.Linear):  # type: ignore[misc]
    """A Linear by oneDNN."""

    def forward(self, values: Any) -> Any:
        """From (..., inputs) to (..., outputs)."""
        return multiply(values, self.weight, self.bias)


class OneDnnConv1D(Conv1D):  # type: ignore[misc]
    """GPT-2's linear layer, with its weight the other way round, by oneDNN."""

    def forward(self, values: Any) -> Any:
        """From (..., inputs) to (..., outputs)."""
        # A single row times a weight that lies so is the one product that MKL does faster.
        if values.numel() == values.shape[-1]:
            return super().forward(values)
        return multiply(values, self.weight.t(), self.bias)


FASTER = {nn.Linear: OneDnnLinear, Conv1D: OneDnnConv1D}


def multiply(values: Any, weight: Any, bias: Any) -> Any:
    """`values @ weight.T + bias`, for a weight of shape (outputs, inputs)."""
    return torch.ops.mkldnn._linear_pointwise.default(values, weight, bias, "none", [], "")


def use_onednn(model: Any) -> None:
    """Have the float32 linear layers of a model on the CPU multiplied by oneDNN, where that is the faster one.

    The classes of the layers change and nothing else: no weight is copied. Subclasses of Linear stay as they are.
    """
    if not mkl_is_slow():
        return
    for module in model.modules():
        if type(module) in FASTER and module.weight.dtype is torch.float32:
            module.__class__ = FASTER[type(module)]


def mkl_is_slow() -> bool:
    """Whether torch multiplies by MKL on a processor of AMD, and has oneDNN too."""
    if not (torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()):
        return False
    made_by = PROCESSORS.read_text() if PROCESSORS.is_file() else platform.processor()
    return "AuthenticAMD" in made_by and hasattr(torch.ops.mkldnn, "_linear_pointwise")
