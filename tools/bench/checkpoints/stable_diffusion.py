"""Stable Diffusion 1.5 at full size: plain float32 files and the fp16 variant, with the safety checker."""

from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from safetensors.torch import load_file, save_file

from tools.bench.checkpoints.vocabulary import CLIP_SIZE, write_clip_tokenizer, write_json

PREFIX = "text_model."
UNET = {
    "sample_size": 64,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}  # the rest are the class's defaults
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "sample_size": 512,
}
CLIP_TEXT = {
    "vocab_size": CLIP_SIZE,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
    "bos_token_id": CLIP_SIZE - 2,
    "eos_token_id": CLIP_SIZE - 1,
    "pad_token_id": CLIP_SIZE - 1,
}
CLIP_VISION = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
}
PICTURES = {
    "feature_extractor_type": "CLIPFeatureExtractor",
    "size": 224,
    "crop_size": 224,
    "resample": 3,
    "do_resize": True,
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
COMPONENTS = {
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def build(folder: Path) -> None:
    """Write the checkpoint. Only one component at a time is in memory."""
    write_clip_tokenizer(folder / "tokenizer")
    save(transformers.CLIPTextModel(transformers.CLIPTextConfig(**CLIP_TEXT)), folder / "text_encoder")
    add_prefix(folder / "text_encoder")
    save(diffusers.UNet2DConditionModel(**UNET), folder / "unet")
    save(autoencoder(), folder / "vae")
    save(safety_checker(), folder / "safety_checker")
    write_json(folder / "feature_extractor" / "preprocessor_config.json", PICTURES)
    scheduler = diffusers.PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        steps_offset=1,
        skip_prk_steps=True,
        set_alpha_to_one=False,
    )
    scheduler.save_pretrained(folder / "scheduler")
    head = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": diffusers.__version__}
    write_json(folder / "model_index.json", head | COMPONENTS)


def add_prefix(folder: Path) -> None:
    """Name the text encoder's weights as the real files do, which other programs read; transformers 5 leaves it out."""
    for weights in folder.glob("*.safetensors"):
        named = {f"{PREFIX}{name.removeprefix(PREFIX)}": value for name, value in load_file(weights).items()}
        save_file(named, weights, metadata={"format": "pt"})


def autoencoder() -> Any:
    """An autoencoder whose pictures have some contrast. genai refuses pictures of a single colour."""
    vae = diffusers.AutoencoderKL(**VAE)
    vae.decoder.conv_out.weight.mul_(4)
    return vae


def safety_checker() -> Any:
    """A safety checker that runs in full and flags nothing, because no cosine similarity is above 2."""
    config = transformers.CLIPConfig(text_config=CLIP_TEXT, vision_config=CLIP_VISION, projection_dim=768)
    checker = StableDiffusionSafetyChecker(config)
    for weights in (checker.concept_embeds_weights, checker.special_care_embeds_weights):
        torch.nn.init.constant_(weights, 2.0)
    for concepts in (checker.concept_embeds, checker.special_care_embeds):
        torch.nn.init.normal_(concepts)
    return checker


def save(model: Any, folder: Path) -> None:
    """Save a component as plain float32 files and as the fp16 variant. Both share the plain config.json."""
    model.eval().save_pretrained(folder)
    config = (folder / "config.json").read_text(encoding="utf-8")
    model.half().save_pretrained(folder, variant="fp16")
    (folder / "config.json").write_text(config, encoding="utf-8")
