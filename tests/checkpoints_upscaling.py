"""A small Swin2SR in the layout of the real one, whose answer has the contrast of a picture."""

from pathlib import Path

import torch
import transformers
from checkpoint_parts import save_model, write_card


def build_swin2sr(folder: Path, factor: int = 2) -> Path:
    """Swin2SR with random weights that make its windows matter; its last layer is scaled to the range of pixels."""
    torch.manual_seed(0)
    config = transformers.Swin2SRConfig(
        image_size=16, embed_dim=24, depths=[2, 2], num_heads=[2, 2], upscale=factor, initializer_range=0.05
    )
    model = transformers.Swin2SRForImageSuperResolution(config).eval()
    last = model.upsample.final_convolution
    with torch.no_grad():
        made = model(torch.rand(1, 3, 64, 64)).reconstruction
        scale = 0.2 / made.std()
        last.weight.mul_(scale)
        last.bias.sub_(made.mean()).mul_(scale).add_(0.5)
    save_model(model, folder)
    transformers.Swin2SRImageProcessorPil().save_pretrained(folder)
    write_card(folder, "apache-2.0", "image-to-image", "transformers")
    return folder
