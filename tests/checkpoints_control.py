"""Small ControlNets for a pipeline's UNet, and a model that estimates depth, in the layouts of the real ones."""

from pathlib import Path

import diffusers
import torch
import transformers
from checkpoint_parts import save_model, write_card


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
