"""LoRAs in a loaded pipeline: read as tensors, matched with the model's own modules one by one, and added through peft.

diffusers' own loader reads pickles, drops keys that it does not know, and filters DoRA's. So each key is matched here
with a module that exists, and what is left over is named. The layouts: diffusers' (with peft's names, and older ones),
and kohya's (https://github.com/kohya-ss/sd-scripts/blob/main/networks/lora.py).
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.errors import ModelError

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline
    from torch import nn

Tensors = dict[str, "torch.Tensor"]
KOHYA = ("lora_unet_", "lora_te_", "lora_te1_", "lora_te2_")
# The names of the two halves, of the scale and of DoRA's lengths in the layouts; diffusers' older one stands last.
ROLES = {
    "lora_A.weight": "A",
    "lora_B.weight": "B",
    "lora_down.weight": "A",
    "lora_up.weight": "B",
    "lora.down.weight": "A",
    "lora.up.weight": "B",
    "lora_linear_layer.down.weight": "A",
    "lora_linear_layer.up.weight": "B",
    "lora_magnitude_vector": "M",
    "lora_magnitude_vector.weight": "M",
    "dora_scale": "M",
    "alpha": "alpha",
}
OLD_ATTENTION = re.compile(r"(.*?)(?:\.processor)?\.to_(q|k|v|out)_lora\.(down|up)\.weight")
# Files of sgm's UNet name its blocks by one running number.
SGM_BLOCK = re.compile(r"lora_unet_(input|output)_blocks_(\d+)_(\d+)_(.*)")
SGM_MIDDLE = re.compile(r"lora_unet_middle_block_(\d+)_(.*)")
RESNET = {
    "in_layers_2": "conv1",
    "out_layers_3": "conv2",
    "emb_layers_1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}
SGM_ENDS = {
    "lora_unet_input_blocks_0_0": "lora_unet_conv_in",
    "lora_unet_out_2": "lora_unet_conv_out",
    "lora_unet_time_embed_0": "lora_unet_time_embedding_linear_1",
    "lora_unet_time_embed_2": "lora_unet_time_embedding_linear_2",
    "lora_unet_label_emb_0_0": "lora_unet_add_embedding_linear_1",
    "lora_unet_label_emb_0_2": "lora_unet_add_embedding_linear_2",
}
METADATA = "lora_adapter_metadata"


@dataclass
class Matched:
    """A LoRA beside a model: tensors by the names that peft has for them, and the keys that no module takes."""

    tensors: Tensors = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)
    """Of each module that the model has in another shape, the first key."""
    has_lengths: bool = False
    """Whether it is a DoRA."""


def match_lora(pipeline: "DiffusionPipeline", tensors: Tensors, metadata: Mapping[str, str]) -> Matched:
    """Each module's part of a LoRA, with its scale worked into the second half, for the modules that the model has."""
    matched = Matched()
    modules = list_modules(pipeline)
    names = {f"{kohya_prefix(place)}{place.partition('.')[2].replace('.', '_')}": place for place in modules}
    scales = read_scales(metadata)
    for module, parts in group(tensors).items():
        place = find_module(pipeline, module, modules, names)
        keys = [key for key, _ in parts.values()]
        if place is None or not {"A", "B"} <= set(parts):
            matched.unused += keys
            continue
        shape = modules[place].weight.shape
        first, second = (shape_for(parts[role][1].float(), shape) for role in "AB")
        if not fits(first, second, shape):
            matched.unused += keys
            matched.misfits.append(parts["A"][0])
            continue
        scale = float(parts["alpha"][1]) / first.shape[0] if "alpha" in parts else scales.find(place, first.shape[0])
        matched.tensors[f"{place}.lora_A.weight"] = first
        matched.tensors[f"{place}.lora_B.weight"] = second * scale
        if "M" in parts:
            lengths = parts["M"][1].float().flatten()
            if len(lengths) == shape[0]:
                matched.has_lengths = True
                matched.tensors[f"{place}.lora_magnitude_vector"] = (
                    lengths.view(1, -1, 1, 1) if len(shape) == 4 else lengths
                )
            else:
                matched.unused.append(parts["M"][0])
    return matched


def group(tensors: Tensors) -> dict[str, dict[str, "tuple[str, torch.Tensor]"]]:
    """The parts of each module, by their roles, with the keys that they had; a key without a role stands alone."""
    found: dict[str, dict[str, tuple[str, torch.Tensor]]] = {}
    for key, tensor in tensors.items():
        module, role = split_key(key)
        found.setdefault(module, {})[role] = (key, tensor)
    return found


def split_key(key: str) -> tuple[str, str]:
    """The module that a key names, and its part's role."""
    if match := OLD_ATTENTION.fullmatch(key):
        place = "to_out.0" if match[2] == "out" else f"to_{match[2]}"
        return f"{match[1]}.{place}", "A" if match[3] == "down" else "B"
    for ending, role in ROLES.items():
        if key.endswith(f".{ending}"):
            return key.removesuffix(f".{ending}"), role
    return key, "?"


def list_modules(pipeline: "DiffusionPipeline") -> dict[str, "nn.Module"]:
    """The layers that a LoRA can add to, by diffusers' names: `unet.mid_block.attentions.0.proj_in`."""
    from torch import nn

    found = {}
    for name, component in list_adaptable(pipeline):
        for place, module in component.named_modules():
            if isinstance(module, nn.Linear | nn.Conv2d) and ".lora_" not in place:
                found[f"{name}.{place.removesuffix('.base_layer')}"] = module
    return found


def list_adaptable(pipeline: "DiffusionPipeline") -> Iterator[tuple[str, "nn.Module"]]:
    """The parts of a pipeline that LoRAs change."""
    for name in ("unet", "text_encoder", "text_encoder_2"):
        component = getattr(pipeline, name, None)
        if component is not None:
            yield name, component


def kohya_prefix(place: str) -> str:
    """How kohya's files begin the names of the modules of a part."""
    return {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}[place.partition(".")[0]]


def find_module(
    pipeline: "DiffusionPipeline", module: str, modules: Mapping[str, "nn.Module"], names: Mapping[str, str]
) -> str | None:
    """The place of a module that a file names, or None where the model has none of that name."""
    if module.startswith(KOHYA):
        asked = name_from_sgm(pipeline, module).replace("lora_te_", "lora_te1_")
        # Newer versions of transformers have no `text_model` in the first text encoder.
        return names.get(asked) or names.get(asked.replace("_text_model_", "_", 1))
    bare = module.removeprefix("base_model.model.")
    candidates = [bare, f"unet.{bare}", re.sub(r"^(text_encoder(?:_2)?)\.text_model\.", r"\1.", bare)]
    return next((place for place in candidates if place in modules), None)


def name_from_sgm(pipeline: "DiffusionPipeline", module: str) -> str:
    """A module of sgm's UNet by the name that it has in diffusers' UNet; other names stay as they are."""
    if module in SGM_ENDS:
        return SGM_ENDS[module]
    if match := SGM_MIDDLE.fullmatch(module):
        number, rest = int(match[1]), match[2]
        where = f"attentions_0_{rest}" if number == 1 else f"resnets_{number // 2}_{RESNET.get(rest, rest)}"
        return f"lora_unet_mid_block_{where}"
    match = SGM_BLOCK.fullmatch(module)
    if match is None:
        return module
    layers = int(pipeline.unet.config.layers_per_block) + 1
    is_input, number, inner, rest = match[1] == "input", int(match[2]), int(match[3]), match[4]
    number, layer = divmod(number - is_input, layers)
    place = f"lora_unet_{'down' if is_input else 'up'}_blocks_{number}"
    if rest in ("op", "conv"):
        return f"{place}_{'downsamplers' if is_input else 'upsamplers'}_0_conv"
    return f"{place}_attentions_{layer}_{rest}" if inner else f"{place}_resnets_{layer}_{RESNET.get(rest, rest)}"


def shape_for(tensor: "torch.Tensor", shape: "torch.Size") -> "torch.Tensor":
    """A half in as many dimensions as its module's weight: some files keep products as convolutions of 1x1."""
    if tensor.ndim == 4 and len(shape) == 2 and tensor.shape[2:] == (1, 1):
        return tensor[:, :, 0, 0]
    return tensor[:, :, None, None] if tensor.ndim == 2 and len(shape) == 4 else tensor


def fits(first: "torch.Tensor", second: "torch.Tensor", shape: "torch.Size") -> bool:
    """Whether the two halves make a weight of that shape."""
    if not first.ndim == second.ndim == len(shape) or second.shape[2:].numel() != 1:
        return False
    return (second.shape[0], *first.shape[1:]) == tuple(shape) and first.shape[0] == second.shape[1]


@dataclass(frozen=True)
class Scales:
    """The scales that diffusers writes into a file's metadata."""

    settings: Mapping[str, object]

    def find(self, place: str, rank: int) -> float:
        """What the second half of a module is multiplied with; 1 where nothing is said."""
        part, _, module = place.partition(".")
        alpha = self.settings.get(f"{part}.lora_alpha")
        patterns = self.settings.get(f"{part}.alpha_pattern")
        if isinstance(patterns, dict):
            own = next((value for name, value in patterns.items() if module.endswith(name.strip("^$"))), None)
            alpha = alpha if own is None else own
        if not isinstance(alpha, int | float):
            return 1.0
        return alpha / (math.sqrt(rank) if self.settings.get(f"{part}.use_rslora") else rank)


def read_scales(metadata: Mapping[str, str]) -> Scales:
    """The scales in a file's metadata."""
    try:
        stated = json.loads(metadata.get(METADATA, "{}"))
    except ValueError:
        stated = {}
    return Scales(stated if isinstance(stated, dict) else {})


def read_tensors(path: Path) -> Tensors:
    """The tensors of a safetensors file."""
    from safetensors.torch import load_file

    return dict(load_file(path))


def add_lora(pipeline: "DiffusionPipeline", name: str, matched: Matched) -> None:
    """Add a matched LoRA under a name, not yet in use. Raises ModelError if the library does not take all of it."""
    pipeline.load_lora_weights(dict(matched.tensors), adapter_name=name)
    parameters = {
        f"{part}.{place}": parameter
        for part, component in list_adaptable(pipeline)
        for place, parameter in component.named_parameters()
        if f".{name}" in place
    }
    for place, tensor in matched.tensors.items():
        where = f"{place.removesuffix('.weight')}.{name}.weight"
        if where not in parameters:
            raise ModelError(f"the LoRA cannot be added: the library left out {place}")
        # transformers leaves out the lengths of a DoRA, and gives them other values.
        parameters[where].data.copy_(tensor)
