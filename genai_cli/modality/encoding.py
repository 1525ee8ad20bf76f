"""Text encodings of a prompt that comes again, and of the negative prompt that all share, are computed once."""

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

KEPT = 2  # a prompt's and its negative prompt's: with all layers' states, a group's can take 100 MB


def remember_encodings(pipeline: Any) -> None:
    """Have the text encoders of a pipeline give again what they last gave for the same tokens."""
    for name, part in pipeline.components.items():
        if name.startswith("text_encoder") and part is not None:
            part.forward = RememberedCall(part.forward)


class RememberedCall:
    """A call whose last results are kept by its arguments, where those are tensors and plain values."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call
        self.results: OrderedDict[Any, Any] = OrderedDict()
        functools.update_wrapper(self, call)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """What the call gives; not to be changed in place."""
        import torch

        values = [*arguments, *named.values()]
        if not all(value is None or isinstance(value, (torch.Tensor, bool, int, float, str)) for value in values):
            return self.call(*arguments, **named)  # a cache, say, which is another one each time
        key = (*map(content, arguments), *((name, content(value)) for name, value in sorted(named.items())))
        if key not in self.results:
            self.results[key] = self.call(*arguments, **named)
        self.results.move_to_end(key)
        while len(self.results) > KEPT:
            self.results.popitem(last=False)
        return self.results[key]


def content(value: Any) -> Any:
    """A tensor's place, dtype, shape and bytes as something to look up; any other value is itself."""
    import torch

    if not isinstance(value, torch.Tensor):
        return value
    values = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return (str(value.device), str(value.dtype), tuple(value.shape), values.numpy().tobytes())
