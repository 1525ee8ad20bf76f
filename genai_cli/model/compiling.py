"""Compiled calls that fall back to the plain ones where the compiler fails."""

import functools
from collections.abc import Callable
from typing import Any


class CompiledCall:
    """A call compiled when it is first made. Where that fails it is plain from then on, and `failure` says why."""

    def __init__(self, call: Callable[..., Any], **options: Any) -> None:
        import torch

        self.plain = call
        self.compiled = torch.compile(call, **options)
        self.failure: str | None = None
        functools.update_wrapper(self, call)

    @property
    def active(self) -> bool:
        """Whether calls are compiled."""
        return self.failure is None

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """What the call gives."""
        import torch

        if self.active:
            try:
                return self.compiled(*arguments, **named)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # what is not the compiler's fault fails again below
                cause = getattr(error, "inner_exception", error)
                self.failure = f"{type(cause).__name__}: {(str(cause).strip() or 'no message').splitlines()[0]}"
        return self.plain(*arguments, **named)


def compile_denoiser(pipeline: Any, on_cuda: bool, **options: Any) -> CompiledCall:
    """Compile the network that a pipeline calls at each step, with torch's `options`; channels last on cuda."""
    import torch

    module = getattr(pipeline, "unet", None) or pipeline.transformer
    if on_cuda and hasattr(pipeline, "unet"):
        module.to(memory_format=torch.channels_last)
    module.forward = CompiledCall(module.forward, **options)
    compiled: CompiledCall = module.forward
    return compiled


def compile_decoding(model: Any, on_cuda: bool) -> CompiledCall:
    """Compile the one-token step of transformers' generate; on cuda it is captured as a graph."""
    compiled = CompiledCall(model.__call__, **({"mode": "reduce-overhead"} if on_cuda else {}))
    model.get_compiled_call = lambda _config: compiled
    return compiled
