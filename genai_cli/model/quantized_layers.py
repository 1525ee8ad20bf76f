"""Layers whose weights are in 8 or 4 bits. Imported inside functions only, since it loads torch."""

from typing import Any

import torch  # noqa: TID253
from torch import nn  # noqa: TID253


class Int8Linear(nn.Module):  # type: ignore[misc]
    """A linear layer for a cpu with an int8 weight of shape (outputs, inputs) and a scale for each output.

    Each row of the input is put into int8 by a scale of its own; `largest` is the largest value that it takes there.
    """

    def __init__(self, weight: Any, scale: Any, bias: Any, largest: int) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.bias = bias
        self.largest = largest

    def forward(self, values: Any) -> Any:
        """From (..., inputs) to (..., outputs), in the dtype of the input."""
        rows = values.reshape(-1, values.shape[-1]).float()
        row_scale = rows.abs().amax(dim=-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / self.largest
        product = torch._int_mm((rows / row_scale).round_().to(torch.int8), self.weight.t())
        result = (product * row_scale).mul_(self.scale)
        if self.bias is not None:
            result += self.bias
        return result.to(values.dtype).reshape(*values.shape[:-1], -1)


class Int8Embedding(nn.Module):  # type: ignore[misc]
    """An embedding that shares the int8 weight and scales of the output layer that it is tied to."""

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
