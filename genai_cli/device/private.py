"""The private and undocumented names of torch, transformers and torchao that genai relies on, and nothing else.

Each is behind a function that says why no public name does. tests/test_private.py checks each on the real libraries, so
that a new version which changes one fails there and not for a user.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torchao.prototype.quantization.int4 import Int4OpaqueTensor
    from transformers import CompileConfig, PreTrainedModel

FBGEMM_PRODUCT = "linear_with_input_q_dq_qweight_dq_output_fp32"  # of torch.ops.quantized


def has_onednn_product() -> bool:
    """Whether this torch has `multiply_by_onednn`."""
    import torch

    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def multiply_by_onednn(values: "torch.Tensor", weight: "torch.Tensor", bias: "torch.Tensor | None") -> "torch.Tensor":
    """`values @ weight.T + bias` in float32 by oneDNN, for a weight of shape (outputs, inputs).

    torch.nn.functional.linear always takes MKL for float32 where torch has it, and no setting changes that. The public
    torch.utils.mkldnn.to_mkldnn copies all weights and converts the values before and after each layer.
    """
    import torch

    return torch.ops.mkldnn._linear_pointwise.default(values, weight, bias, "none", [], "")


def multiply_int8(vectors: "torch.Tensor", weight: "torch.Tensor") -> "torch.Tensor":
    """`vectors @ weight.T` in int32, of int8 vectors with an int8 weight of shape (outputs, inputs).

    torch's public products of int8 sum in int8. torchao's public int_scaled_matmul calls the same op, but torch's
    compiler cannot trace it, and on processors with VNNI and without AMX it sums the whole weight at each call.
    """
    import torch

    return torch._int_mm(vectors, weight.t())


def has_fbgemm_product() -> bool:
    """Whether this torch has `multiply_by_fbgemm` and `pack_for_fbgemm`.

    torch 2.13 announces that a later version removes what makes quantized tensors; Int8Linear takes over then.
    Source: https://github.com/pytorch/pytorch/issues/184982
    """
    import torch

    packs = hasattr(torch, "_make_per_channel_quantized_tensor") and hasattr(torch.ops.quantized, "linear_prepack")
    return packs and hasattr(torch.ops.quantized, FBGEMM_PRODUCT)


def pack_for_fbgemm(weight: "torch.Tensor", scale: "torch.Tensor") -> "torch.ScriptObject":
    """An int8 weight of shape (outputs, inputs) with a scale for each output, packed for `multiply_by_fbgemm`.

    The public torch.quantize_per_channel makes such a tensor from float32 only: a copy four times as large. The public
    torch.ao.nn.quantized.dynamic.Linear packs it, but gives all vectors of its input one scale: what stands beside an
    item in a batch would change it.
    """
    import torch

    zeros = torch.zeros(len(scale), dtype=torch.int64)
    quantized = torch._make_per_channel_quantized_tensor(weight, scale.double(), zeros, 0)
    return torch.ops.quantized.linear_prepack(quantized, None)


def multiply_by_fbgemm(
    vectors: "torch.Tensor", scale: float, zero: int, packed: "torch.ScriptObject"
) -> "torch.Tensor":
    """`vectors @ weight.T` in float32, where the vectors become unsigned 8-bit numbers: `round(value / scale) + zero`.

    The public layers of torch.ao.nn.quantized choose the scale themselves, see `pack_for_fbgemm`.
    """
    import torch

    return getattr(torch.ops.quantized, FBGEMM_PRODUCT)(vectors, scale, zero, packed)


def quantize_to_opaque_int4(weight: "torch.Tensor", group_size: int) -> "Int4OpaqueTensor":
    """A bfloat16 weight in int4, in the layout that torch multiplies on a CPU; `group_size` inputs share a scale.

    The public Int4WeightOnlyConfig has no packing format for a CPU: "plain" and "preshuffled" need mslk, a library for
    cuda, and "plain_int32" and "tile_packed_to_4d" need an accelerator. The public IntxWeightOnlyConfig keeps each
    number in 8 bits.
    """
    from torchao.prototype.quantization.int4 import Int4OpaqueTensor

    return Int4OpaqueTensor.from_hp(weight, [1, group_size])


def make_opaque_int4(data: "torch.Tensor", scale_and_zero: "torch.Tensor") -> "Int4OpaqueTensor":
    """A weight of `quantize_to_opaque_int4` from its parts, which it has as `qdata` and `scale_and_zero`.

    safetensors keeps plain tensors only, and the class has no other public way to be made of them.
    """
    from torchao.prototype.quantization.int4 import Int4OpaqueTensor

    groups, outputs, _ = scale_and_zero.shape
    inputs = data.shape[1] * 2
    return Int4OpaqueTensor(data, scale_and_zero, [1, inputs // groups], (outputs, inputs))


def compile_on_all_devices() -> "CompileConfig":
    """What makes transformers' generate call `get_compiled_call` on every device.

    Without this mark generate compiles on accelerators only, and CompileConfig has no public field for it.
    """
    from transformers import CompileConfig

    config = CompileConfig()
    config._compile_all_devices = True
    return config


def replace_compiled_call(model: "PreTrainedModel", call: Callable[..., object]) -> None:
    """Have generate make each step after the first with `call`.

    The method `get_compiled_call` is public, but replacing it is not documented. The call that it makes itself raises
    where the compiler fails, and no option gives it a fallback.
    """
    model.get_compiled_call = lambda _config: call


def has_hooks(module: "nn.Module") -> bool:
    """Whether anything is to be called with what goes into the parts of a module, or comes out of them.

    torch has public methods to add hooks, and none that lists them.
    """
    parts = (part for part in module.modules() if part is not module)
    return any(part._forward_hooks or part._forward_pre_hooks for part in parts)


def is_stateful(model: "PreTrainedModel") -> bool:
    """Whether a model is recurrent: it reads the padding of a group, which no attention mask hides.

    transformers has no public name for this; its generate reads the same one. A model without it counts as recurrent,
    which is slower and never wrong.
    """
    return bool(getattr(model, "_is_stateful", True))


@contextmanager
def watch_loading(report: Callable[[type, set[str]], None]) -> Iterator[None]:
    """Report each model of transformers that is loaded within: its class, and the names of weights without values.

    transformers gives them random values. Its public `output_loading_info` tells their names, but a pipeline of
    diffusers loads its text encoders itself and cannot be asked to pass that on.
    """
    from transformers import PreTrainedModel

    plain = vars(PreTrainedModel)["from_pretrained"]

    def from_pretrained(cls: type, /, *arguments: object, **options: object) -> object:
        options["output_loading_info"] = True
        model, info = plain.__get__(None, cls)(*arguments, **options)
        report(cls, set(info["missing_keys"]))
        return model

    PreTrainedModel.from_pretrained = classmethod(from_pretrained)
    try:
        yield
    finally:
        PreTrainedModel.from_pretrained = plain


@contextmanager
def keep_attention(model: "PreTrainedModel") -> Iterator[None]:
    """Leave a model with the attention that it has: to tell the times of words, Whisper's `generate` takes another.

    It would keep that for all later calls. A name is public to set an attention, and none to read it.
    """
    before = model.config._attn_implementation
    try:
        yield
    finally:
        if model.config._attn_implementation != before:
            model.set_attn_implementation(before)
