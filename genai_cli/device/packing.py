"""Int8 layers packed for the processor; those that get the same input share one product.

A token of a text is a few hundred small products, and half of a product's time goes to what stands around it. A Llama
of 135 million parameters takes about a tenth less time for a token with the queries, keys and values in one product,
and the two inner layers in another; the numbers are the same.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from genai_cli.device.mapped import SpentWeights
from genai_cli.device.threads import read_default_threads

if TYPE_CHECKING:
    from torch import nn

    from genai_cli.device.quantized_layers import Int8Linear

SIBLINGS = (("q_proj", "k_proj", "v_proj"), ("query", "key", "value"), ("gate_proj", "up_proj"), ("wi_0", "wi_1"))
"""Layers of one module that get the same input, by the names that the models of transformers give them."""
CROSS = ("encoder_attn", "cross_attn", "crossattention", "encdecattention")
"""Modules whose queries come from another place than keys and values, by parts of their names in lower case."""


def pack_layers(model: "nn.Module", spent: SpentWeights, share: bool) -> None:
    """Pack the Int8Linear layers of a model in place, where torch has FBGEMM. What they were made of is spent.

    With `share`, siblings share one product, which torch's compiler could not trace. A layer keeps its weight if an
    embedding is tied to it.
    """
    from genai_cli.device.quantized_layers import Int8Embedding, Int8Linear, has_fbgemm

    if not has_fbgemm():
        return
    tied = {module.weight.data_ptr() for module in model.modules() if isinstance(module, Int8Embedding)}
    plains = {name: module for name, module in model.named_modules() if type(module) is Int8Linear}
    groups = list(find_groups(plains) if share else ([name] for name in plains))
    with ThreadPoolExecutor(read_default_threads()) as pool:  # packing a weight uses a single thread
        made = pool.map(lambda names: pack_group([plains[name] for name in names]), groups)
        for names, layers in zip(groups, made, strict=True):
            for name, layer in zip(names, layers, strict=True):
                weight = plains.pop(name).weight
                if weight.data_ptr() in tied:
                    layer.weight = weight
                else:
                    spent.add(weight)
                model.set_submodule(name, layer)


def find_groups(plains: "dict[str, Int8Linear]") -> Iterator[list[str]]:
    """The names of all layers; those that get the same input together."""
    grouped: set[str] = set()
    for name in plains:
        if name not in grouped:
            group = next(find_siblings(plains, name), [name])
            grouped.update(group)
            yield group


def find_siblings(plains: "dict[str, Int8Linear]", name: str) -> Iterator[list[str]]:
    """The names of a layer's siblings with its own, if it has them all and they are of one kind."""
    parent, _, own = name.rpartition(".")
    if any(word in parent.lower() for word in CROSS):
        return
    for siblings in SIBLINGS:
        names = [f"{parent}.{sibling}" for sibling in siblings]
        if own in siblings and all(other in plains for other in names):
            kinds = {(plains[other].weight.shape[1], plains[other].bias is None) for other in names}
            if len(kinds) == 1:
                yield names


def pack_group(plains: "list[Int8Linear]") -> "list[nn.Module]":
    """The layers that take the place of one layer, or of several that share a product."""
    from genai_cli.device.quantized_layers import PackedInt8Linear, SharedProduct, SharingInt8Linear

    if len(plains) == 1:
        return [PackedInt8Linear(plains[0])]
    shared = SharedProduct(plains)
    return [SharingInt8Linear(plain, shared, place) for place, plain in enumerate(plains)]
