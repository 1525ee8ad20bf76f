"""Compiled calls that fall back to the plain ones where the compiler fails."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from genai_cli.device.compilers import TORCH
from genai_cli.device.failures import first_line
from genai_cli.device.memory import describe_shortage
from genai_cli.device.private import replace_compiled_call
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
    from transformers import PreTrainedModel


class Compiled(Protocol):
    """A part of a model, or several, that a compiler runs."""

    @property
    def compiler(self) -> str:
        """The compiler's name."""

    @property
    def active(self) -> bool:
        """Whether calls are compiled."""

    @property
    def failure(self) -> str | None:
        """Why calls are made as they are without a compiler; None where they are not."""


def describe_compiled(compiled: Compiled | None) -> JsonObject:
    """What a record says of compiling: whether it was done, and with what; nothing where it was not tried."""
    if compiled is None:
        return {}
    return {"compiled": True, "compiler": compiled.compiler} if compiled.active else {"compiled": False}


@dataclass(frozen=True)
class Uncompiled:
    """A model that a compiler was asked for and is not for, and why."""

    compiler: str
    failure: str
    active: bool = False


class CompiledCall:
    """A call that is compiled when it is first made. Where that fails it stays plain, and `failure` says why."""

    compiler = TORCH

    def __init__(self, call: Callable[..., object], **options: object) -> None:
        import torch

        self.plain = call
        self.compiled: Callable[..., object] = torch.compile(call, **options)
        self.failure: str | None = None
        functools.update_wrapper(self, call)

    @property
    def active(self) -> bool:
        """Whether calls are compiled."""
        return self.failure is None

    def __call__(self, *arguments: object, **named: object) -> object:
        """What the call gives."""
        if self.active:
            try:
                return self.compiled(*arguments, **named)
            except Exception as error:  # one that is not the compiler's fault is raised again by the plain call
                if describe_shortage(error) is not None:
                    raise
                cause = getattr(error, "inner_exception", error)
                self.failure = f"{type(cause).__name__}: {first_line(cause)}"
        return self.plain(*arguments, **named)


def compile_denoiser(pipeline: "DiffusionPipeline", on_cuda: bool, **options: object) -> CompiledCall:
    """Compile the network that a pipeline calls at each step, with torch's `options`; channels last on cuda."""
    import torch

    module = getattr(pipeline, "unet", None) or pipeline.transformer
    if on_cuda and hasattr(pipeline, "unet"):
        module.to(memory_format=torch.channels_last)
    compiled = CompiledCall(module.forward, **options)
    module.forward = compiled
    return compiled


def compile_decoding(model: "PreTrainedModel", on_cuda: bool) -> CompiledCall:
    """Compile the one-token step of transformers' generate; on cuda it is captured as a graph."""
    compiled = CompiledCall(model.__call__, **({"mode": "reduce-overhead"} if on_cuda else {}))
    replace_compiled_call(model, compiled)
    return compiled
