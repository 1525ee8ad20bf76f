"""Small ControlNets for a pipeline's UNet, and a model that estimates depth, in the layouts of the real ones."""

from pathlib import Path

import diffusers
import torch
import transformers
from checkpoint_parts import save_model, update_json, write_card
from safetensors.torch import load_file, save_file

from tools.bench.checkpoints.single_file import name_unet


def build_control_net(folder: Path, base: Path, seed: int = 0) -> Path:
    """A ControlNet as its trainer saves it: the UNet's way down, whose outputs were zero before it was trained."""
    torch.manual_seed(seed)
    unet = diffusers.UNet2DConditionModel.from_pretrained(base / "unet")
    net = diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 8, 16))
    seen = [part for part in net.controlnet_cond_embedding.modules() if isinstance(part, torch.nn.Conv2d)]
    for part in (*net.controlnet_down_blocks, net.controlnet_mid_block, *seen):
        torch.nn.init.normal_(part.weight, std=0.3)
    save_model(net, folder)
    write_card(folder, "openrail", "image-to-image", "diffusers")
    return folder


def build_union(folder: Path, base: Path, kinds: int = 6) -> Path:
    """A Union ControlNet for SDXL: which kind of map it reads, is told by a row of its own tensor."""
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel.from_pretrained(base / "unet")
    config = diffusers.ControlNetUnionModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 8, 16)).config
    channels = config["block_out_channels"][0]
    own = {"num_control_type": kinds, "num_trans_channel": channels, "num_proj_channel": channels}
    net = diffusers.ControlNetUnionModel.from_config(config, **own)
    seen = [part for part in net.controlnet_cond_embedding.modules() if isinstance(part, torch.nn.Conv2d)]
    for part in (*net.controlnet_down_blocks, net.controlnet_mid_block, net.spatial_ch_projs, *seen):
        torch.nn.init.normal_(part.weight, std=0.3)
    save_model(net, folder)
    update_json(folder / "config.json", _class_name="ControlNetModel")  # as its release has it
    return folder


def write_original(net: Path, file: Path, prefix: str = "control_model.") -> Path:
    """A ControlNet in one file, in the names of its release."""
    layers = diffusers.ControlNetModel.load_config(net)["layers_per_block"]
    tensors = load_file(net / "diffusion_pytorch_model.safetensors")
    save_file({prefix + name_original(name, layers): value for name, value in tensors.items()}, file)
    return file


def name_original(name: str, layers: int) -> str:
    """The release's name of a ControlNet's tensor."""
    part, _, rest = name.partition(".")
    if part == "controlnet_down_blocks":
        place, _, kind = rest.partition(".")
        return f"zero_convs.{place}.0.{kind}"
    if part == "controlnet_mid_block":
        return f"middle_block_out.0.{rest}"
    if part != "controlnet_cond_embedding":
        return name_unet(name, layers, {})
    place, _, kind = rest.removeprefix("blocks.").partition(".")
    number = {"conv_in": 0, "conv_out": 14}.get(place)
    return f"input_hint_block.{2 * int(place) + 2 if number is None else number}.{kind}"


def build_depth_anything(folder: Path) -> Path:
    """Depth Anything V2: DINOv2 under a head that gives how near each pixel is."""
    torch.manual_seed(0)
    backbone = transformers.Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        patch_size=14,
        neck_hidden_sizes=[4, 4, 8, 8],
        fusion_hidden_size=8,
        head_in_index=-1,
        head_hidden_size=4,
    )
    model = transformers.DepthAnythingForDepthEstimation(config)
    for weight in model.parameters():  # the real one's are trained; those of a fresh one tell all things alike
        torch.nn.init.normal_(weight, std=0.3)
    save_model(model, folder)
    processor = transformers.DPTImageProcessorPil(
        size={"height": 56, "width": 56}, keep_aspect_ratio=True, ensure_multiple_of=14
    )
    processor.save_pretrained(folder)
    write_card(folder, "apache-2.0", "depth-estimation", "transformers")
    return folder
