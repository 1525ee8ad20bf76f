"""An LCM LoRA for Stable Diffusion 1.5: the layers, the rank and the names of latent-consistency/lcm-lora-sdv1-5.

What it adapts: https://github.com/huggingface/diffusers/blob/main/examples/consistency_distillation
"""

from pathlib import Path

import diffusers
import torch
from safetensors.torch import save_file

from tools.bench.checkpoints.stable_diffusion import UNET

RANK, ALPHA = 64, 8.0
LAYERS = ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2")
LAYERS += ("conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj")
SIZE = 0.01  # of the random weights: what they add changes a picture, and does not blow it up
# The file's name says nothing, so the card has to.
CARD = """---
library_name: diffusers
base_model: runwayml/stable-diffusion-v1-5
tags: [lora, text-to-image, lcm]
---
Random weights, for measurements of speed.
"""


def build(folder: Path) -> None:
    """Write the LoRA in half precision under kohya's names, and its card."""
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(**UNET)
    tensors: dict[str, torch.Tensor] = {}
    for place, layer in unet.named_modules():
        if not place.endswith(tuple(f".{name}" for name in LAYERS)):
            continue
        name = f"lora_unet_{place.replace('.', '_')}"
        outputs, inputs, *kernel = layer.weight.shape
        down = torch.randn(RANK, inputs, *kernel) * SIZE
        up = torch.randn(outputs, RANK, *(1 for _ in kernel)) * SIZE
        tensors[f"{name}.lora_down.weight"], tensors[f"{name}.lora_up.weight"] = down.half(), up.half()
        tensors[f"{name}.alpha"] = torch.tensor(ALPHA).half()
    save_file({name: tensor.cpu() for name, tensor in tensors.items()}, folder / "pytorch_lora_weights.safetensors")
    (folder / "README.md").write_text(CARD, encoding="utf-8")
