"""A prompt that is used again, and the negative prompt that all items share, are encoded once."""

import functools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

KEPT = 2  # the prompt's and the negative prompt's: with the states of all layers, those of a group can take 100 MB


def remember_encodings(pipeline: "DiffusionPipeline") -> None:
    """Make the text encoders of a pipeline return their last results for the same tokens without computing them."""
    for name, component in pipeline.components.items():
        if name.startswith("text_encoder") and component is not None:
            component.forward = RememberedCall(component.forward)


def forget_encodings(pipeline: "DiffusionPipeline") -> None:
    """Forget the results: the text encoders have changed."""
    for component in pipeline.components.values():
        remembered = getattr(component, "forward", None)
        if isinstance(remembered, RememberedCall):
            remembered.results.clear()


class RememberedCall:
    """A function that keeps its last results by their arguments, if those are tensors and plain values."""

    def __init__(self, call: Callable[..., object]) -> None:
        self.call = call
        self.results: OrderedDict[Hashable, object] = OrderedDict()
        functools.update_wrapper(self, call)

    def __call__(self, *arguments: object, **named: object) -> object:
        """The function's result, which must not be changed in place."""
        import torch

        values = [*arguments, *named.values()]
        if not all(value is None or isinstance(value, (torch.Tensor, bool, int, float, str)) for value in values):
            return self.call(*arguments, **named)  # such as a cache, which has a state
        key = (
            *map(make_hashable, arguments),
            *((name, make_hashable(value)) for name, value in sorted(named.items())),
        )
        if key not in self.results:
            self.results[key] = self.call(*arguments, **named)
        self.results.move_to_end(key)
        while len(self.results) > KEPT:
            self.results.popitem(last=False)
        return self.results[key]


def make_hashable(value: object) -> Hashable:
    """A tensor as its device, dtype, shape and bytes. A plain value stays as it is."""
    import torch

    if not isinstance(value, torch.Tensor):
        return value
    values = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return (str(value.device), str(value.dtype), tuple(value.shape), values.numpy().tobytes())
