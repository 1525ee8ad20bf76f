"""A causal model in OpenVINO's form, with the cache of a text inside and, where asked for, its weights in fewer bits.

Imported inside functions only: it loads torch and OpenVINO.
"""

import gc
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy  # noqa: TID253
import torch  # noqa: TID253
from torch import nn  # noqa: TID253
from transformers import DynamicCache, PreTrainedModel  # noqa: TID253
from transformers.cache_utils import DynamicLayer  # noqa: TID253

from genai_cli.device.onednn import leave_onednn
from genai_cli.device.openvino_network import (
    CLOSE,
    KeptPlace,
    choose_precision,
    compile_network,
    load_openvino,
    own_call,
)
from genai_cli.device.placement import Placement
from genai_cli.device.quantize import GROUP_SIZE, SMALLEST_SIDE
from genai_cli.hub.fetching import ModelFiles

if TYPE_CHECKING:
    import openvino

INPUTS = ("input_ids", "attention_mask", "position_ids")
ORDER = "beam_idx"
"""OpenVINO takes a cache into its fast attention only where the rows of the cache can be put into another order."""
CHECKED = "a text"
# How far scores may be from those of the weights as they are, in parts of their root mean square.
CLOSE_IN = {"int8": 0.15, "int4": 0.5}


def find_place(files: ModelFiles, part: str, placement: Placement) -> KeptPlace:
    """Where the network of a text model is kept."""
    how = f"{placement.dtype} {placement.quantize}" if placement.quantize else placement.dtype
    return KeptPlace.find(files, part, how, INPUTS)


class DecodingNetwork:
    """A compiled network that reads tokens after those that it has read, and gives the scores of what follows."""

    def __init__(self, network: "openvino.Model", place: KeptPlace, placement: Placement, *, is_new: bool) -> None:
        """Make a network ready to run. Raises what OpenVINO does."""
        self.place = place
        self.is_new = is_new
        self.takes = [name for name in INPUTS if name in {given.get_any_name() for given in network.inputs}]
        dtype = placement.torch_dtype()
        settings = {"KV_CACHE_PRECISION": choose_precision(dtype)}
        if placement.quantize:
            settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = str(GROUP_SIZE)
        self.request = compile_network(network, dtype, settings).create_infer_request()
        first = torch.zeros(1, 1, dtype=torch.int64)
        self(first, torch.ones_like(first), first)  # OpenVINO packs the weights at the first call

    @classmethod
    def read(cls, place: KeptPlace, placement: Placement) -> "DecodingNetwork | None":
        """The one that is kept and was compared with torch; None where there is none that works."""
        found = place.read()
        if found is None or CHECKED not in found[1].get("checked", []):
            return None
        try:
            return cls(found[0], place, placement, is_new=False)
        except RuntimeError:  # what is kept may be damaged
            place.remove()
            return None

    @classmethod
    def convert(cls, model: PreTrainedModel, place: KeptPlace, placement: Placement) -> "DecodingNetwork":
        """The network of a model, kept where that can be done. Raises what OpenVINO and the model's code do."""
        return cls(convert(model, placement, place), place, placement, is_new=True)

    def reset(self) -> None:
        """Forget what was read."""
        self.request.reset_state()

    def __call__(self, tokens: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor | None) -> torch.Tensor:
        """Scores (texts, 1, words) in float32 of what follows new tokens (texts, length); mask: (texts, all so far)."""
        known = {"input_ids": tokens, "attention_mask": mask, "position_ids": positions}
        given = {name: known[name].contiguous().numpy() for name in self.takes}
        given[ORDER] = numpy.arange(len(tokens), dtype=numpy.int32)
        made = self.request.infer(given, share_inputs=True, share_outputs=True)
        return torch.from_numpy(made[0]).clone()

    def note_checked(self) -> None:
        """Note that the scores are those of torch, for later runs too."""
        self.place.note_checked(CHECKED)


def is_like_torch(network: DecodingNetwork, model: PreTrainedModel, placement: Placement) -> bool:
    """Whether the scores after two prompts, and after one more token, are torch's but for rounding."""
    tokens, mask = choose_prompts()
    cache = DynamicCache(config=model.config)
    near = CLOSE_IN[placement.quantize] if placement.quantize else CLOSE[placement.torch_dtype()]
    network.reset()
    with torch.inference_mode(), own_call(model):
        for _ in range(2):
            given = fill_inputs(model, tokens, mask)
            wanted = model(**given, past_key_values=cache, use_cache=True).logits[:, -1:].float()
            made = network(tokens, mask, given.get("position_ids"))
            if not bool((made - wanted).norm() <= near * wanted.norm()):
                return False
            tokens = wanted.argmax(-1)
            mask = torch.cat([mask, torch.ones_like(tokens)], 1)
    return True


def fill_inputs(model: PreTrainedModel, tokens: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
    """The tensors that a model's call takes to read new tokens after those that it has read."""
    positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
    known = dict(zip(INPUTS, (tokens, mask, positions), strict=True))
    return {name: known[name] for name in INPUTS if name in list_parameters(model)}


def list_parameters(model: PreTrainedModel) -> frozenset[str]:
    """The names of what a model's own call takes."""
    return frozenset(inspect.signature(type(model).forward).parameters)


def choose_prompts() -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens that every model has, (2, 6), and a mask that hides one, so that it is traced and compared."""
    tokens = torch.arange(12).reshape(2, 6)
    mask = torch.ones_like(tokens)
    mask[0, 0] = 0
    return tokens, mask


class Decoder(nn.Module):  # type: ignore[misc]
    """A causal model whose call takes the tensors of `names`, then each layer's keys and values, and gives new ones."""

    def __init__(self, model: PreTrainedModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names
        self.last = {"logits_to_keep": 1} if "logits_to_keep" in list_parameters(model) else {}

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Scores (texts, 1, words) in float32 of what follows, and the keys and values with those of the new tokens."""
        given, past = dict(zip(self.names, tensors, strict=False)), tensors[len(self.names) :]
        cache = DynamicCache()
        cache.layers = [hold(keys, values) for keys, values in zip(past[::2], past[1::2], strict=True)]
        made = self.model(**given, past_key_values=cache, use_cache=True, **self.last)
        return made.logits[:, -1:].float(), *list_tensors(cache)


def hold(keys: torch.Tensor, values: torch.Tensor) -> DynamicLayer:
    """A layer of a cache that holds keys and values.

    Layers with sliding attention are held whole too: the model's own mask hides what is out of their sight.
    """
    layer = DynamicLayer()
    layer.lazy_initialization(keys, values)
    layer.keys, layer.values = keys, values
    return layer


def list_tensors(cache: DynamicCache) -> list[torch.Tensor]:
    """The keys and the values of each layer, of shape (texts, heads, length, width)."""
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]


def convert(model: PreTrainedModel, placement: Placement, place: KeptPlace) -> "openvino.Model":
    """The network of a model, kept where that can be done. Raises ValueError, RuntimeError."""
    load_openvino()
    import openvino

    with torch.inference_mode(False), torch.no_grad(), own_call(model), leave_onednn(model):
        tokens, mask = choose_prompts()
        cache = DynamicCache(config=model.config)
        model(**fill_inputs(model, tokens, mask), past_key_values=cache, use_cache=True)
        if not cache.layers or not all(isinstance(layer, DynamicLayer) for layer in cache.layers):
            raise ValueError("the model remembers a text otherwise than by keys and values")
        # As long as what was read, also where the model's own cache holds less of it.
        past = [held.new_zeros(*held.shape[:2], tokens.shape[1], held.shape[3]) for held in list_tensors(cache)]
        new = torch.tensor([[1, 2, 3], [3, 2, 1]])
        given = fill_inputs(model, new, torch.cat([mask, torch.ones_like(new)], 1))
        traced = torch.jit.trace(Decoder(model, list(given)), (*given.values(), *past), check_trace=False, strict=False)
        network = openvino.convert_model(traced)
    keep_past_inside(network, list(given), [tuple(tensor.shape) for tensor in past])
    if placement.quantize:
        shrink_weights(network, placement.quantize)
    size = sum(parameter.nbytes for parameter in model.parameters())
    if place.keep(network, size, {}):
        del traced, network
        gc.collect()
        if (found := place.read()) is not None:
            return found[0]
        raise RuntimeError("what was kept cannot be read")
    return network


def keep_past_inside(network: "openvino.Model", names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> None:
    """Make a network's keys and values its state, which is empty at first, for any number of texts of any length.

    The same steps as in OpenVINO's own guide to stateful models:
    https://docs.openvino.ai/2026/openvino-workflow/running-inference/inference-request/stateful-models.html
    """
    import openvino
    from openvino import opset13
    from openvino.passes import MakeStateful, Manager

    for given, name in zip(network.inputs, names, strict=False):
        given.get_tensor().set_names({name})
    held = network.inputs[len(names) :]
    pairs = list(zip(held, network.outputs[1:], strict=True))
    any_size = openvino.PartialShape([-1, -1])
    fixed = [openvino.PartialShape([-1, heads, -1, width]) for _, heads, _, width in shapes]
    network.reshape(dict.fromkeys(network.inputs[: len(names)], any_size) | dict(zip(held, fixed, strict=True)))
    order = opset13.parameter([-1], name=ORDER, dtype=numpy.int32)
    order.output(0).get_tensor().set_names({ORDER})
    network.add_parameters([order])
    for before in held:
        readers = before.get_target_inputs()
        ordered = opset13.gather(before.get_node(), order, opset13.constant(0)).output(0)
        for reader in readers:
            reader.replace_source_output(ordered)
    network.validate_nodes_and_infer_types()
    passes = Manager()
    passes.register_pass(MakeStateful([(before.get_node(), after.get_node()) for before, after in pairs]))
    passes.run_passes(network)
    texts = opset13.gather(opset13.shape_of(network.input(names[0])), opset13.constant([0]), opset13.constant(0))
    for node in network.get_ops():
        if node.get_type_name() == "ReadValue":
            _, heads, _, width = node.get_output_partial_shape(0)
            sizes = [opset13.constant([size]) for size in (heads.get_length(), 0, width.get_length())]
            empty = opset13.constant(0.0, dtype=node.get_output_element_type(0))
            node.set_arguments([opset13.broadcast(empty, opset13.concat([texts, *sizes], axis=0))])
    network.validate_nodes_and_infer_types()


def shrink_weights(network: "openvino.Model", quantize: str) -> None:
    """Put the weights of a network's products into int8 or int4, as `--quantize` does for torch (see quantize.py)."""
    from openvino import opset13

    for node in [node for node in network.get_ops() if node.get_type_name() == "MatMul"]:
        source = node.input_value(1)
        constant = source.get_node()
        if constant.get_type_name() != "Constant":
            continue
        form = node.get_attributes()
        weight = constant.get_data() if form["transpose_b"] else constant.get_data().T
        if weight.ndim != 2 or min(weight.shape) < SMALLEST_SIDE:
            continue
        others = [reader for reader in source.get_target_inputs() if reader.get_node() != node]
        fits = quantize == "int4" and weight.shape[1] % GROUP_SIZE == 0 and not others
        small = shrink_to_int4(weight) if fits else shrink_to_int8(weight)
        for reader in others:
            reader.replace_source_output(small)
        product = opset13.matmul(node.input_value(0), small, form["transpose_a"], True)
        node.output(0).replace(product.output(0))
    network.validate_nodes_and_infer_types()


def shrink_to_int8(weight: numpy.ndarray) -> "openvino.Output":
    """A weight (outputs, inputs) in int8, one scale for each output, as a part of a network."""
    return multiply_out(weight, 127)


def shrink_to_int4(weight: numpy.ndarray) -> "openvino.Output":
    """A weight (outputs, inputs) in int4, one scale for each GROUP_SIZE inputs of an output, as a part of a network."""
    from openvino import opset13

    outputs, inputs = weight.shape
    grouped = multiply_out(weight.reshape(outputs, inputs // GROUP_SIZE, GROUP_SIZE), 7)
    return opset13.reshape(grouped, opset13.constant([outputs, inputs]), False).output(0)


def multiply_out(weight: numpy.ndarray, largest: int) -> "openvino.Output":
    """Whole numbers up to `largest` times a scale for each row of the last dimension, as a part of a network."""
    from openvino import Type, opset13

    scale = numpy.maximum(numpy.abs(weight).max(axis=-1, keepdims=True) / largest, numpy.finfo(numpy.float32).tiny)
    whole = numpy.rint(weight / scale).astype(numpy.int8)
    kept = opset13.constant(whole, dtype=Type.i8 if largest == 127 else Type.i4)
    product = opset13.multiply(opset13.convert(kept, numpy.float32), opset13.constant(scale.astype(numpy.float32)))
    return product.output(0)
