"""Layers whose weights are in 8 or 4 bits. Imported inside functions only, since it loads torch."""

from abc import ABC, abstractmethod
from typing import Any

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

FBGEMM_PRODUCT = "linear_with_input_q_dq_qweight_dq_output_fp32"  # of torch.ops.quantized


class RowScaledLinear(nn.Module, ABC):  # type: ignore[misc]
    """A linear layer for a cpu in 8 bits: each row of the input gets a scale of its own, and then goes into int8."""

    def __init__(self, bias: Any) -> None:
        super().__init__()
        self.bias = bias

    def forward(self, values: Any) -> Any:
        """From (..., inputs) to (..., outputs), in the dtype of the input."""
        rows = values.reshape(-1, values.shape[-1]).float()
        row_scale = rows.abs().amax(dim=-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        result = self.multiply(rows / row_scale).mul_(row_scale)
        if self.bias is not None:
            result += self.bias
        return result.to(values.dtype).reshape(*values.shape[:-1], -1)

    @abstractmethod
    def multiply(self, rows: Any) -> Any:
        """The products, in float32, of rows of shape (rows, inputs), within -1 to 1, with the weight."""


class Int8Linear(RowScaledLinear):
    """One with an int8 weight of shape (outputs, inputs) and a scale for each output, multiplied as they lie.

    `largest` is the largest value that an input takes in int8.
    """

    def __init__(self, weight: Any, scale: Any, bias: Any, largest: int) -> None:
        super().__init__(bias)
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.largest = largest

    def multiply(self, rows: Any) -> Any:
        product = torch._int_mm((rows * self.largest).round_().to(torch.int8), self.weight.t())
        return product * (self.scale / self.largest)


class PackedInt8Linear(RowScaledLinear):
    """An Int8Linear whose weight is packed for FBGEMM, which is made for x86 processors, with VNNI and without.

    Source: https://arxiv.org/abs/2101.05615
    """

    def __init__(self, plain: Int8Linear) -> None:
        super().__init__(plain.bias)
        self.largest = plain.largest
        # Models ask for its dtype and shape; its numbers are in what is packed alone.
        self.weight = plain.weight.to("meta")
        zeros = torch.zeros(len(plain.scale), dtype=torch.int64)
        weight = torch._make_per_channel_quantized_tensor(plain.weight, plain.scale.double(), zeros, 0)
        self.packed = torch.ops.quantized.linear_prepack(weight, None)

    def multiply(self, rows: Any) -> Any:
        # It takes its input in unsigned 8 bits, where this number stands for zero.
        zero = self.largest + 1
        return getattr(torch.ops.quantized, FBGEMM_PRODUCT)(rows, 1 / self.largest, zero, self.packed)


def has_fbgemm() -> bool:
    """Whether torch multiplies 8-bit weights by FBGEMM here."""
    return torch.backends.quantized.engine in ("x86", "fbgemm") and hasattr(torch.ops.quantized, FBGEMM_PRODUCT)


class Int8Embedding(nn.Module):  # type: ignore[misc]
    """An embedding with the int8 weight and scales of the output layer that it is tied to."""

    def __init__(self, weight: Any, scale: Any, dtype: Any) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.dtype = dtype

    def forward(self, tokens: Any) -> Any:
        """From token ids of any shape to (..., width)."""
        return (self.weight[tokens] * self.scale[tokens].unsqueeze(-1)).to(self.dtype)


class Bfloat16Linear(nn.Module):  # type: ignore[misc]
    """A linear layer whose weight, one of torchao's tensors, multiplies bfloat16 alone."""

    def __init__(self, weight: Any, bias: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = bias

    def forward(self, values: Any) -> Any:
        """From (..., inputs) to (..., outputs), in the dtype of the input."""
        product = nn.functional.linear(values.to(torch.bfloat16), self.weight).to(values.dtype)
        return product if self.bias is None else product + self.bias
