"""Layers whose weights are in 8 or 4 bits. Imported inside functions only, since it loads torch."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from genai_cli.device.private import has_fbgemm_product, multiply_by_fbgemm, multiply_int8, pack_for_fbgemm


class VectorScaledLinear(nn.Module, ABC):  # type: ignore[misc]
    """A linear layer for a cpu in 8 bits: each vector of the input gets a scale of its own and is rounded to int8."""

    def __init__(self, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.bias = bias

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """From (..., inputs) to (..., outputs), in the dtype of the input."""
        vectors = values.reshape(-1, values.shape[-1]).float()
        vector_scale = vectors.abs().amax(dim=-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        result = self.multiply(vectors / vector_scale).mul_(vector_scale)
        if self.bias is not None:
            result += self.bias
        return result.to(values.dtype).reshape(*values.shape[:-1], -1)

    @abstractmethod
    def multiply(self, vectors: torch.Tensor) -> torch.Tensor:
        """The products, in float32, of vectors of shape (vectors, inputs), within -1 to 1, with the weight."""


class Int8Linear(VectorScaledLinear):
    """One with an int8 weight of shape (outputs, inputs) and a scale for each output, multiplied as it is.

    `largest` is the largest value of an input in int8.
    """

    def __init__(self, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None, largest: int) -> None:
        super().__init__(bias)
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.largest = largest

    def multiply(self, vectors: torch.Tensor) -> torch.Tensor:
        product = multiply_int8((vectors * self.largest).round_().to(torch.int8), self.weight)
        return product * (self.scale / self.largest)


class PackedInt8Linear(VectorScaledLinear):
    """An Int8Linear whose weight is packed for FBGEMM, a library for x86 processors with VNNI and without.

    Source: https://arxiv.org/abs/2101.05615
    """

    def __init__(self, plain: Int8Linear) -> None:
        super().__init__(plain.bias)
        self.largest = plain.largest
        # Models read its dtype and shape; its numbers are in `packed` only.
        self.weight = plain.weight.to("meta")
        self.packed = pack_for_fbgemm(plain.weight, plain.scale)

    def multiply(self, vectors: torch.Tensor) -> torch.Tensor:
        # FBGEMM takes its input in unsigned 8 bits, where this number stands for zero.
        zero = self.largest + 1
        return multiply_by_fbgemm(vectors, 1 / self.largest, zero, self.packed)


class SharedProduct:
    """The product of one input with the weights of several layers that all get it, made when the first one asks.

    The layers' outputs stand beside each other in one packed weight; each output is computed as it would be alone.
    """

    def __init__(self, plains: Sequence[Int8Linear]) -> None:
        biases = [plain.bias for plain in plains if plain.bias is not None]
        weight, scale = (torch.cat([getattr(plain, name) for plain in plains]) for name in ("weight", "scale"))
        self.layer = PackedInt8Linear(
            Int8Linear(weight, scale, torch.cat(biases) if biases else None, plains[0].largest)
        )
        self.sizes = [len(plain.scale) for plain in plains]
        self.given: torch.Tensor | None = None
        self.products: tuple[torch.Tensor, ...] = ()
        self.left = 0

    def take(self, values: torch.Tensor, place: int) -> torch.Tensor:
        """The product of the layer at `place`, of shape (..., its outputs). Once all have theirs, nothing is held."""
        if self.given is not values:
            self.given, self.products = values, self.layer(values).split(self.sizes, dim=-1)
            self.left = len(self.sizes)
        product = self.products[place]
        self.left -= 1
        if not self.left:
            self.given, self.products = None, ()
        return product


class SharingInt8Linear(nn.Module):  # type: ignore[misc]
    """One of the layers of a SharedProduct."""

    def __init__(self, plain: Int8Linear, shared: SharedProduct, place: int) -> None:
        super().__init__()
        # Models read its dtype and shape; its numbers are in the shared product only.
        self.weight = plain.weight.to("meta")
        self.bias = plain.bias
        self.shared, self.place = shared, place

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """From (..., inputs) to (..., outputs), in the dtype of the input."""
        return self.shared.take(values, self.place)


def has_fbgemm() -> bool:
    """Whether torch multiplies 8-bit weights by FBGEMM here."""
    return torch.backends.quantized.engine in ("x86", "fbgemm") and has_fbgemm_product()


class Int8Embedding(nn.Module):  # type: ignore[misc]
    """An embedding with the int8 weight and scales of the output layer that it is tied to."""

    def __init__(self, weight: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.dtype = dtype

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """From token ids of any shape to (..., width)."""
        return (self.weight[tokens] * self.scale[tokens].unsqueeze(-1)).to(self.dtype)


class Bfloat16Linear(nn.Module):  # type: ignore[misc]
    """A linear layer whose weight, one of torchao's tensors, can multiply bfloat16 only."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = bias

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """From (..., inputs) to (..., outputs), in the dtype of the input."""
        product = nn.functional.linear(values.to(torch.bfloat16), self.weight).to(values.dtype)
        return product if self.bias is None else product + self.bias
