"""Linear weights in 8 or 4 bits, asked for by name: what it touches, and how such weights are multiplied.

torchao makes the small weights. On a cpu it leaves their multiplication to a compiler and takes longer than float32
without one, so there torch's own products in int8 are called. Each row of the input gets a scale of its own, so what
stands beside an item in a batch does not change it.
"""

from importlib.util import find_spec
from typing import Any

from genai_cli.errors import DeviceError, InputError, nearest
from genai_cli.model.device import Placement
from genai_cli.model.mapped import SpentWeights

QUANTIZATIONS = ("int8", "int4")
GROUP_SIZE = 32  # inputs that share a scale in int4
ROWS_AT_ONCE = 2048  # of a weight in work, so that its float32 copies stay small
SMALLEST_SIDE = 16  # a layer with fewer inputs or outputs (a classifier's last one) stays as it is


def check_quantize(name: str) -> None:
    """Refuse a name that is no quantization, or any where its library is not installed, before torch loads."""
    if name not in QUANTIZATIONS:
        raise InputError(
            f"unknown quantization {name!r}", hint=nearest(name, QUANTIZATIONS) or f"one of {', '.join(QUANTIZATIONS)}"
        )
    if find_spec("torchao") is None:
        raise InputError("--quantize needs torchao, which is not installed", hint="pip install 'genai-cli[quantize]'")


def drawback(placement: Placement) -> str | None:
    """What a user should know of quantized weights on that device, or None."""
    if not placement.quantize:
        return None
    if placement.device != "cpu":
        return f"on {placement.device} --quantize saves memory; its speed there was not measured"
    import torch
    from torchao.utils import should_reduce_range

    from genai_cli.model.quantized_layers import has_fbgemm

    if not has_fbgemm() and should_reduce_range(torch.device("cpu")):
        return "this processor does not multiply 8-bit numbers (VNNI): --quantize saves memory and may be slower"
    return None


def quantize_model(model: Any, placement: Placement) -> None:
    """Put the weights of a model's linear layers into `placement.quantize`, in place; all else keeps its dtype.

    On a cpu an embedding that is tied to the output layer goes along, both in int8. Raises DeviceError on mps.
    """
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    from genai_cli.model.quantized_layers import Int8Embedding, PackedInt8Linear, has_fbgemm

    if placement.device == "mps":
        raise DeviceError("--quantize does not work on mps", hint="leave it out, or --device cpu")
    tied = {id(module.weight): name for name, module in model.named_modules() if type(module) is nn.Embedding}
    # Subclasses of Linear are read by their owners in ways of their own.
    kinds = (nn.Linear, Conv1D)
    wanted = [
        name
        for name, module in model.named_modules()
        if type(module) in kinds and min(module.weight.shape) >= SMALLEST_SIDE
    ]
    spent = SpentWeights()
    for name in wanted:
        large = model.get_submodule(name).weight
        linear = as_linear(model.get_submodule(name))
        embedding = tied.get(id(large))
        if placement.device != "cpu":
            small = quantize_on_cuda(linear, str(placement.quantize))
        elif placement.quantize == "int4" and embedding is None and fits_int4(linear):
            small = quantize_to_int4(linear)
        else:
            plain = quantize_to_int8(linear)
            small = PackedInt8Linear(plain) if has_fbgemm() else plain
            if embedding is not None:
                model.set_submodule(embedding, Int8Embedding(plain.weight, plain.scale, linear.weight.dtype))
                small.weight = plain.weight  # stays tied, beside what is packed of it
        model.set_submodule(name, small)
        spent.add(large)
    for weight in [*model.parameters(), *model.buffers()]:
        read = weight.data
        weight.data = read.clone()  # the weights that were read lie in one mapped file, which can go now
        spent.add(read)
    spent.give_back()


def as_linear(module: Any) -> Any:
    """A Linear with the weights of a Linear or of GPT-2's Conv1D, which keeps them the other way round."""
    from torch import nn

    if isinstance(module, nn.Linear):
        return module
    inputs, outputs = module.weight.shape
    linear = nn.Linear(inputs, outputs, bias=False, device="meta")
    linear.weight = nn.Parameter(module.weight.detach().t(), requires_grad=False)
    linear.bias = module.bias
    return linear


def fits_int4(linear: Any) -> bool:
    """Whether torch's int4 product for a cpu takes a layer of this shape; any other goes into int8."""
    return bool(linear.in_features % GROUP_SIZE == 0 and linear.out_features % 16 == 0)


def quantize_to_int8(linear: Any) -> Any:
    """An int8 linear layer for a cpu, one scale for each output."""
    import torch
    from torchao.quantization import Int8Tensor
    from torchao.quantization.granularity import PerRow
    from torchao.utils import should_reduce_range

    from genai_cli.model.quantized_layers import Int8Linear

    weight = torch.empty(linear.weight.shape, dtype=torch.int8)
    scales, spent = [], SpentWeights()
    for rows, place in zip(linear.weight.detach().split(ROWS_AT_ONCE), weight.split(ROWS_AT_ONCE), strict=True):
        part = Int8Tensor.from_hp(rows.contiguous(), PerRow())
        place.copy_(part.qdata)
        scales.append(part.scale.reshape(-1))
        spent.add(rows)
    # Without VNNI the sums of two products saturate at 16 bits; with 7 bits of the input they fit.
    largest = 63 if should_reduce_range(torch.device("cpu")) else 127
    return Int8Linear(weight, torch.cat(scales), linear.bias, largest)


def quantize_to_int4(linear: Any) -> Any:
    """An int4 linear layer for a cpu, one scale for each GROUP_SIZE inputs of an output."""
    import torch
    from torchao.prototype.quantization.int4.int4_opaque_tensor import Int4OpaqueTensor

    from genai_cli.model.quantized_layers import Bfloat16Linear

    weight = linear.weight.detach().to(torch.bfloat16)
    return Bfloat16Linear(Int4OpaqueTensor.from_hp(weight, [1, GROUP_SIZE]), linear.bias)


def quantize_on_cuda(linear: Any, name: str) -> Any:
    """A linear layer whose weight is torchao's, which has kernels there."""
    import torch
    from torchao.quantization import Int4WeightOnlyConfig, Int8WeightOnlyConfig, quantize_

    from genai_cli.model.quantized_layers import Bfloat16Linear

    if name == "int8":
        quantize_(linear, Int8WeightOnlyConfig())
        return linear
    linear.weight = torch.nn.Parameter(linear.weight.detach().to(torch.bfloat16), requires_grad=False)
    quantize_(linear, Int4WeightOnlyConfig(group_size=GROUP_SIZE, int4_packing_format="tile_packed_to_4d"))
    return Bfloat16Linear(linear.weight, linear.bias)
