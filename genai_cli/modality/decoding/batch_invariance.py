"""Matrix products in which the result for one item does not depend on how many items there are."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# Measured with MKL on processors with AVX-512, one and two threads: with fewer positions for each thread other kernels
# sum in another order, and the last digits differ. Without AMX 8 suffice; with AMX 16 do, but not for layers of 3072
# inputs and two threads, where the last digits still depend on the number of positions.
POSITIONS_PER_THREAD = 16


def make_batch_invariant(model: "PreTrainedModel") -> None:
    """Make every linear layer of a model on the CPU compute enough positions at once to use the same kernels always."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.forward = PaddedForward(module.forward)


class PaddedForward:
    """The forward of a linear layer. It pads a small input with zeros and drops their results."""

    def __init__(self, forward: "Callable[[torch.Tensor], torch.Tensor]") -> None:
        self.forward = forward

    def __call__(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """The layer's output for inputs of shape (..., features)."""
        import torch

        count, least = inputs.shape[:-1].numel(), POSITIONS_PER_THREAD * torch.get_num_threads()
        if count >= least:
            return self.forward(inputs)
        flat = inputs.reshape(count, -1)
        padded = torch.cat([flat, flat.new_zeros(least - count, flat.shape[1])])
        return self.forward(padded)[:count].reshape(*inputs.shape[:-1], -1)
