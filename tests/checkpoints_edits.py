"""Small pipelines that edit pictures: one made to fill masks, and two that follow instructions."""

from pathlib import Path
from typing import Any

import diffusers
import torch
from checkpoint_parts import save_model, update_json
from checkpoint_pipelines import FLUX, UNET, build_flow_pipeline, build_sdxl, build_stable_diffusion, save_component


def replace_unet(folder: Path, pipeline: str, **changes: Any) -> Path:
    """Another UNet and another class of pipeline in a checkpoint of Stable Diffusion."""
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(**UNET | {"cross_attention_dim": 32, "attention_head_dim": 8} | changes)
    save_component(unet, folder / "unet")
    update_json(folder / "model_index.json", _class_name=pipeline)
    return folder


def build_inpainting(folder: Path) -> Path:
    """Stable Diffusion for inpainting: its UNet takes the mask and the masked picture too, nine channels in all."""
    return replace_unet(build_stable_diffusion(folder), "StableDiffusionInpaintPipeline", in_channels=9)


def build_pix2pix(folder: Path) -> Path:
    """InstructPix2Pix: the UNet takes the picture's latents beside those it makes."""
    return replace_unet(build_stable_diffusion(folder), "StableDiffusionInstructPix2PixPipeline", in_channels=8)


def build_refiner(folder: Path) -> Path:
    """A checkpoint of SDXL whose own pipeline starts from a picture, as the refiner's does."""
    build_sdxl(folder)
    update_json(
        folder / "model_index.json", _class_name="StableDiffusionXLImg2ImgPipeline", requires_aesthetics_score=False
    )
    return folder


def build_flux_fill(folder: Path) -> Path:
    """Flux Fill: the transformer takes the masked picture's latents too, and the mask's 64 pixels a latent."""
    build_flow_pipeline(folder)
    torch.manual_seed(0)
    own, packed_mask = int(FLUX["in_channels"]), 4 * 8 * 8
    channels = {"in_channels": 2 * own + packed_mask, "out_channels": own}
    save_model(diffusers.FluxTransformer2DModel(**FLUX | channels), folder / "transformer")
    update_json(folder / "model_index.json", _class_name="FluxFillPipeline")
    return folder


def build_kontext(folder: Path) -> Path:
    """Flux Kontext: Flux's parts under another class, which takes a picture as further tokens."""
    build_flow_pipeline(folder)
    absent = {"image_encoder": [None, None], "feature_extractor": [None, None]}
    update_json(folder / "model_index.json", _class_name="FluxKontextPipeline", **absent)
    return folder
