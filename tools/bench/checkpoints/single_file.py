"""Checkpoints in one file, as the releases of Stable Diffusion have them, made from folders in diffusers' layout.

python -m tools.bench.checkpoints.single_file FOLDER FILE
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

Tensors = dict[str, torch.Tensor]
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OPEN_CLIP = {
    "encoder.layers.": "transformer.resblocks.",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    ".fc1.": ".c_fc.",
    ".fc2.": ".c_proj.",
    "self_attn": "attn",
    "final_layer_norm": "ln_final",
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
}


def replace_all(name: str, words: Mapping[str, str]) -> str:
    """A name with all words replaced."""
    for old, new in words.items():
        name = name.replace(old, new)
    return name


def name_unet(name: str, layers: int, has_attention: Mapping[str, bool]) -> str:
    """The release's name of a UNet's tensor; `has_attention` says it of each up block."""
    for old, new in UNET_ENDS.items():
        if name.startswith(old):
            return name.replace(old, new, 1)
    if match := re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.*)", name):
        number = 1 if match[1] == "attentions" else 2 * int(match[2])
        return f"middle_block.{number}.{replace_all(match[3], RESNET if match[1] == 'resnets' else {})}"
    match = re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.*)", name)
    assert match, name
    side, block, kind, layer, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    first = block * (layers + 1)
    if kind == "downsamplers":
        return f"input_blocks.{first + layers + 1}.0.op.{rest.removeprefix('conv.')}"
    if kind == "upsamplers":
        return f"output_blocks.{first + layers}.{1 + has_attention[str(block)]}.{rest}"
    place = f"input_blocks.{first + layer + 1}" if side == "down" else f"output_blocks.{first + layer}"
    return f"{place}.0.{replace_all(rest, RESNET)}" if kind == "resnets" else f"{place}.1.{rest}"


def name_vae(name: str, levels: int) -> str:
    """The release's name of a VAE's tensor."""
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    if match := re.match(r"(\w+)\.mid_block\.attentions\.0\.(.*)", name):
        return f"{match[1]}.mid.attn_1.{replace_all(match[2], VAE_ATTENTION)}"
    if match := re.match(r"(\w+)\.mid_block\.resnets\.(\d)\.(.*)", name):
        return f"{match[1]}.mid.block_{int(match[2]) + 1}.{match[3]}"
    if match := re.match(r"encoder\.down_blocks\.(\d)\.(.*)", name):
        return f"encoder.down.{match[1]}.{match[2].replace('resnets', 'block').replace('downsamplers.0', 'downsample')}"
    if match := re.match(r"decoder\.up_blocks\.(\d)\.(.*)", name):
        rest = match[2].replace("resnets", "block").replace("upsamplers.0", "upsample")
        return f"decoder.up.{levels - 1 - int(match[1])}.{rest}"
    return name


def name_open_clip(tensors: Tensors, prefix: str) -> Tensors:
    """A text encoder in the names of OpenCLIP, whose query, key and value are one tensor."""
    found: Tensors = {}
    for name, value in tensors.items():
        bare = name.removeprefix("text_model.")
        if match := re.match(r"encoder\.layers\.(\d+)\.self_attn\.q_proj\.(weight|bias)", bare):
            three = [tensors[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            found[f"{prefix}transformer.resblocks.{match[1]}.attn.in_proj_{match[2]}"] = torch.cat(three)
        elif name == "text_projection.weight":
            found[f"{prefix}text_projection"] = value.T.contiguous()
        elif ".k_proj." not in name and ".v_proj." not in name:
            found[prefix + replace_all(bare, OPEN_CLIP)] = value
    return found


def name_clip(tensors: Tensors, prefix: str) -> Tensors:
    """A text encoder in the names of transformers, with the positions that old versions saved too."""
    found = {f"{prefix}text_model.{name.removeprefix('text_model.')}": value for name, value in tensors.items()}
    return {**found, f"{prefix}text_model.embeddings.position_ids": torch.arange(77)[None]}


def convert_unet(folder: Path, variant: str) -> Tensors:
    """The UNet of a folder in the release's names."""
    config = json.loads((folder / "unet/config.json").read_text())
    tensors = load_file(folder / f"unet/diffusion_pytorch_model{variant}.safetensors")
    has_attention = {str(place): "CrossAttn" in kind for place, kind in enumerate(config["up_block_types"])}
    layers = config["layers_per_block"]
    return {f"model.diffusion_model.{name_unet(name, layers, has_attention)}": it for name, it in tensors.items()}


def convert_vae(folder: Path, variant: str = "", prefix: str = "first_stage_model.") -> Tensors:
    """The VAE of a folder in the release's names; its attention is made of convolutions there."""
    tensors = load_file(folder / f"vae/diffusion_pytorch_model{variant}.safetensors")
    levels = len(json.loads((folder / "vae/config.json").read_text())["up_block_types"])
    found: Tensors = {}
    for name, value in tensors.items():
        is_product = "attentions" in name and value.ndim == 2
        found[prefix + name_vae(name, levels)] = value[:, :, None, None] if is_product else value
    return found


def write_single_file(
    folder: Path, file: Path, *, fp16: bool = False, vae: bool = True, open_clip: bool = False
) -> Path:
    """The checkpoint of a folder in one file: SDXL with its two text encoders, else 1.x, or 2.x with OpenCLIP."""
    variant = ".fp16" if fp16 else ""
    tensors = convert_unet(folder, variant)
    text = load_file(folder / f"text_encoder/model{variant}.safetensors")
    second = folder / f"text_encoder_2/model{variant}.safetensors"
    if second.is_file():
        tensors |= name_clip(text, "conditioner.embedders.0.transformer.")
        tensors |= name_open_clip(load_file(second), "conditioner.embedders.1.model.")
    elif open_clip:
        tensors |= name_open_clip(text, "cond_stage_model.model.")
    else:
        tensors |= name_clip(text, "cond_stage_model.transformer.")
    if vae:
        tensors |= convert_vae(folder, variant)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in tensors.items()}, file)
    return file


if __name__ == "__main__":
    write_single_file(Path(sys.argv[1]), Path(sys.argv[2]))
