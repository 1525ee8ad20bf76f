"""Linear weights in 8 or 4 bits, for --quantize: which layers change, and how such weights are multiplied.

torchao makes the small weights. On a cpu it relies on a compiler to multiply them and is slower than float32 without
one, so there torch's own products in int8 are called. Each row of the input gets a scale of its own: an item does not
depend on the others of its batch.
"""

from typing import TYPE_CHECKING

from genai_cli.device.mapped import SpentWeights
from genai_cli.device.placement import Placement
from genai_cli.device.private import quantize_to_opaque_int4
from genai_cli.errors import DeviceError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel
    from transformers.pytorch_utils import Conv1D

    from genai_cli.device.kept_weights import WeightKeeper
    from genai_cli.device.quantized_layers import Bfloat16Linear, Int8Linear

GROUP_SIZE = 32  # inputs that share a scale in int4
OUTPUTS_AT_ONCE = 2048  # outputs of a weight that are quantized together, so that their float32 copies stay small
SMALLEST_SIDE = 16  # a layer with fewer inputs or outputs (a classifier's last one) stays as it is


def find_drawback(placement: Placement) -> str | None:
    """What a user should know about quantized weights on that device, or None. Raises DeviceError on mps."""
    if not placement.quantize:
        return None
    if placement.device == "mps":
        raise DeviceError("--quantize does not work on mps", hint="leave it out, or --device cpu")
    if placement.device != "cpu":
        return f"on {placement.device} --quantize saves memory; its speed there was not measured"
    import torch
    from torchao.utils import should_reduce_range

    from genai_cli.device.quantized_layers import has_fbgemm

    if not has_fbgemm() and should_reduce_range(torch.device("cpu")):
        return "this processor does not multiply 8-bit numbers (VNNI): --quantize saves memory and may be slower"
    return None


def quantize_model(model: "PreTrainedModel", placement: Placement, keeper: "WeightKeeper | None" = None) -> None:
    """Quantize the weights of a model's linear layers in place; all other weights keep their dtype.

    On a cpu an embedding that is tied to the output layer is quantized with it, to int8. What comes of it is handed to
    the keeper too.
    """
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    from genai_cli.device.packing import pack_layers
    from genai_cli.device.quantized_layers import Int8Embedding

    tied = {id(module.weight): name for name, module in model.named_modules() if type(module) is nn.Embedding}
    # The models that define subclasses of Linear read their weights in ways of their own.
    classes = (nn.Linear, Conv1D)
    wanted = [
        name
        for name, module in model.named_modules()
        if type(module) in classes and min(module.weight.shape) >= SMALLEST_SIDE
    ]
    spent = SpentWeights()
    for name in wanted:
        large = model.get_submodule(name).weight
        linear = make_linear(model.get_submodule(name))
        embedding = tied.get(id(large))
        if placement.device != "cpu":
            small = quantize_on_cuda(linear, str(placement.quantize))
        elif placement.quantize == "int4" and embedding is None and fits_int4(linear):
            small = quantize_to_int4(linear)
            if keeper:
                packed = small.weight
                keeper.take_layer(name, "int4", {"qdata": packed.qdata, "scale_and_zero": packed.scale_and_zero})
        else:
            plain = quantize_to_int8(linear)
            if keeper:
                keeper.take_layer(name, "int8", {"weight": plain.weight, "scale": plain.scale})
            small = plain
            if embedding is not None:
                model.set_submodule(embedding, Int8Embedding(plain.weight, plain.scale, linear.weight.dtype))
                if keeper:
                    keeper.embeddings[embedding] = [name, str(linear.weight.dtype).removeprefix("torch.")]
        model.set_submodule(name, small)
        spent.add(large)
    if placement.device == "cpu":
        pack_layers(model, spent, share=not placement.compiled_by_torch)
    for name, weight in [*model.named_parameters(), *model.named_buffers()]:
        if keeper and not is_small(name, keeper):
            keeper.take(name, weight)
        read = weight.data
        weight.data = read.clone()  # a copy outside of the mapped file, whose memory is given back
        spent.add(read)
    if keeper:
        keeper.finish()
    spent.give_back()


def is_small(name: str, keeper: "WeightKeeper") -> bool:
    """Whether a tensor of a quantized model is the weight of a small layer, which the keeper has taken already."""
    module, _, part = name.rpartition(".")
    return part in ("weight", "scale") and (module in keeper.layers or module in keeper.embeddings)


def find_largest_input() -> int:
    """The largest value of an input in int8 on this processor."""
    import torch
    from torchao.utils import should_reduce_range

    # Without VNNI the sum of two products saturates at 16 bits; with inputs of 7 bits it fits.
    return 63 if should_reduce_range(torch.device("cpu")) else 127


def make_linear(module: "nn.Linear | Conv1D") -> "nn.Linear":
    """A Linear with the weights of a Linear or of GPT-2's Conv1D, whose weight has the shape (inputs, outputs)."""
    from torch import nn

    if isinstance(module, nn.Linear):
        return module
    inputs, outputs = module.weight.shape
    linear = nn.Linear(inputs, outputs, bias=False, device="meta")
    linear.weight = nn.Parameter(module.weight.detach().t(), requires_grad=False)
    linear.bias = module.bias
    return linear


def fits_int4(linear: "nn.Linear") -> bool:
    """Whether torch's int4 product for a cpu takes a layer of this shape; any other is quantized to int8."""
    return bool(linear.in_features % GROUP_SIZE == 0 and linear.out_features % 16 == 0)


def quantize_to_int8(linear: "nn.Linear") -> "Int8Linear":
    """An int8 linear layer for a cpu, one scale for each output."""
    import torch
    from torchao.quantization import Int8Tensor
    from torchao.quantization.granularity import PerRow

    from genai_cli.device.quantized_layers import Int8Linear

    weight = torch.empty(linear.weight.shape, dtype=torch.int8)
    scales, spent = [], SpentWeights()
    for part_of_weight, place in zip(
        linear.weight.detach().split(OUTPUTS_AT_ONCE), weight.split(OUTPUTS_AT_ONCE), strict=True
    ):
        part = Int8Tensor.from_hp(part_of_weight.contiguous(), PerRow())
        place.copy_(part.qdata)
        scales.append(part.scale.reshape(-1))
        spent.add(part_of_weight)
    return Int8Linear(weight, torch.cat(scales), linear.bias, find_largest_input())


def quantize_to_int4(linear: "nn.Linear") -> "Bfloat16Linear":
    """An int4 linear layer for a cpu, one scale for each GROUP_SIZE inputs of an output."""
    import torch

    from genai_cli.device.quantized_layers import Bfloat16Linear

    weight = linear.weight.detach().to(torch.bfloat16)
    return Bfloat16Linear(quantize_to_opaque_int4(weight, GROUP_SIZE), linear.bias)


def quantize_on_cuda(linear: "nn.Linear", name: str) -> "nn.Linear | Bfloat16Linear":
    """A linear layer with a weight of torchao, which has kernels for cuda."""
    import torch
    from torchao.quantization import Int4WeightOnlyConfig, Int8WeightOnlyConfig, quantize_

    from genai_cli.device.quantized_layers import Bfloat16Linear

    if name == "int8":
        quantize_(linear, Int8WeightOnlyConfig())
        return linear
    linear.weight = torch.nn.Parameter(linear.weight.detach().to(torch.bfloat16), requires_grad=False)
    quantize_(linear, Int4WeightOnlyConfig(group_size=GROUP_SIZE, int4_packing_format="tile_packed_to_4d"))
    return Bfloat16Linear(linear.weight, linear.bias)
