"""Checkpoints in the layouts of diffusers' pipelines, small and with seeded random weights, with decoys beside them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from checkpoint_parts import (
    save_model,
    t5_config,
    update_json,
    write_card,
    write_clip_tokenizer,
    write_decoys,
    write_json,
    write_t5_tokenizer,
)

CLIP_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "max_position_embeddings": 77,
    "projection_dim": 32,
    "initializer_range": 0.5,
}
# Four levels, as in the real one: a latent stands for 8x8 pixels.
VAE = {
    "block_out_channels": (4, 4, 8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "sample_size": 64,
}
UNET = {
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
}
# What Stable Diffusion states for its safety checker's eyes, but for the size.
CLIP_PICTURES = {
    "feature_extractor_type": "CLIPFeatureExtractor",
    "size": 30,
    "crop_size": 30,
    "resample": 3,
    "do_resize": True,
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
FLUX = {
    "patch_size": 1,
    "in_channels": 16,
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "pooled_projection_dim": 32,
    "axes_dims_rope": (4, 4, 8),
}
# The settings of Stable Diffusion's schedulers.
DIFFUSION = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "steps_offset": 1,
}


def clip_text_config(vocabulary: Mapping[str, int], **changes: Any) -> Any:
    """The configuration of a small CLIP text encoder."""
    ends = {"bos_token_id": vocabulary["<|startoftext|>"], "eos_token_id": vocabulary["<|endoftext|>"]}
    return transformers.CLIPTextConfig(
        vocab_size=len(vocabulary), pad_token_id=vocabulary["<|endoftext|>"], **ends, **CLIP_TEXT | changes
    )


def safety_checker(flags_everything: bool) -> Any:
    """Stable Diffusion's safety checker, with thresholds that no picture passes, or every one."""
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "image_size": 30,
        "patch_size": 15,
    }
    config = transformers.CLIPConfig(text_config=CLIP_TEXT, vision_config=vision, projection_dim=8)
    checker = diffusers.pipelines.stable_diffusion.StableDiffusionSafetyChecker(config)
    # A picture is flagged where its cosine similarity with a concept is above the concept's weight.
    for weights in (checker.concept_embeds_weights, checker.special_care_embeds_weights):
        torch.nn.init.constant_(weights, -2.0 if flags_everything else 2.0)
    for concepts in (checker.concept_embeds, checker.special_care_embeds):
        torch.nn.init.normal_(concepts)
    return checker


def save_component(model: Any, folder: Path) -> None:
    """Save a pipeline's model as plain files in float32 and as the fp16 variant."""
    save_model(model, folder)
    save_model(model.half(), folder, variant="fp16")
    config = folder / "config.json"
    if "dtype" in json.loads(config.read_text(encoding="utf-8")):
        update_json(config, dtype="float32")


def save_vae(folder: Path, **changes: Any) -> None:
    """Save a small autoencoder whose pictures have some contrast."""
    vae = diffusers.AutoencoderKL(**VAE | changes)
    with torch.no_grad():
        vae.decoder.conv_out.weight.mul_(4)
    save_component(vae, folder)


def write_index(folder: Path, pipeline: str, components: Mapping[str, tuple[str, str]], **settings: Any) -> None:
    """model_index.json: the pipeline's class, and the library and class of each of its components."""
    head = {"_class_name": pipeline, "_diffusers_version": diffusers.__version__}
    write_json(folder / "model_index.json", head | {name: list(of) for name, of in components.items()} | settings)


def build_stable_diffusion(folder: Path, flags_everything: bool = False) -> Path:
    """Stable Diffusion 1.5, pictures of 64x64: plain and fp16 files, the safety checker, and the real one's decoys."""
    torch.manual_seed(0)
    vocabulary = write_clip_tokenizer(folder / "tokenizer")
    save_component(transformers.CLIPTextModel(clip_text_config(vocabulary)), folder / "text_encoder")
    unet = diffusers.UNet2DConditionModel(**UNET, cross_attention_dim=32, attention_head_dim=8)
    save_component(unet, folder / "unet")
    save_vae(folder / "vae")
    save_component(safety_checker(flags_everything), folder / "safety_checker")
    write_json(folder / "feature_extractor" / "preprocessor_config.json", CLIP_PICTURES)
    scheduler = diffusers.PNDMScheduler(**DIFFUSION, skip_prk_steps=True, set_alpha_to_one=False)
    scheduler.save_pretrained(folder / "scheduler")
    components = {
        "feature_extractor": ("transformers", "CLIPImageProcessor"),
        "safety_checker": ("stable_diffusion", "StableDiffusionSafetyChecker"),
        "scheduler": ("diffusers", "PNDMScheduler"),
        "text_encoder": ("transformers", "CLIPTextModel"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "unet": ("diffusers", "UNet2DConditionModel"),
        "vae": ("diffusers", "AutoencoderKL"),
    }
    write_index(folder, "StableDiffusionPipeline", components)
    write_card(folder, "creativeml-openrail-m", "text-to-image", "diffusers")
    write_stable_diffusion_decoys(folder)
    return folder


def write_stable_diffusion_decoys(folder: Path) -> None:
    """What else the repository of Stable Diffusion 1.5 holds."""
    write_decoys(folder, "v1-5-pruned.ckpt", "v1-5-pruned.safetensors", "v1-5-pruned-emaonly.ckpt")
    write_decoys(folder, "v1-5-pruned-emaonly.safetensors", "v1-inference.yaml", ".gitattributes")
    for mark in ("", ".fp16"):
        for name in ("safety_checker/pytorch_model", "text_encoder/pytorch_model"):
            write_decoys(folder, f"{name}{mark}.bin")
        for name in ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model"):
            write_decoys(folder, f"{name}{mark}.bin")
    for suffix in ("bin", "safetensors"):
        write_decoys(folder, f"unet/diffusion_pytorch_model.non_ema.{suffix}")


def build_sdxl(folder: Path, second: int = 32) -> Path:
    """Stable Diffusion XL with its two text encoders, pictures of 64x64: plain and fp16 files, and decoys.

    `second` is the width of the second text encoder.
    """
    torch.manual_seed(0)
    vocabulary = write_clip_tokenizer(folder / "tokenizer")
    write_clip_tokenizer(folder / "tokenizer_2", pad="!")
    config = clip_text_config(vocabulary)
    save_component(transformers.CLIPTextModel(config), folder / "text_encoder")
    wide = clip_text_config(vocabulary, hidden_size=second)
    save_component(transformers.CLIPTextModelWithProjection(wide), folder / "text_encoder_2")
    unet = diffusers.UNet2DConditionModel(
        **UNET,
        cross_attention_dim=32 + second,
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=6 * 8 + 32,
    )
    save_component(unet, folder / "unet")
    save_vae(folder / "vae", scaling_factor=0.13025)
    diffusers.EulerDiscreteScheduler(**DIFFUSION, timestep_spacing="leading").save_pretrained(folder / "scheduler")
    components = {
        "scheduler": ("diffusers", "EulerDiscreteScheduler"),
        "text_encoder": ("transformers", "CLIPTextModel"),
        "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "tokenizer_2": ("transformers", "CLIPTokenizer"),
        "unet": ("diffusers", "UNet2DConditionModel"),
        "vae": ("diffusers", "AutoencoderKL"),
    }
    write_index(folder, "StableDiffusionXLPipeline", components, force_zeros_for_empty_prompt=True)
    write_card(folder, "openrail++", "text-to-image", "diffusers")
    write_decoys(folder, "sd_xl_base_1.0.safetensors", "sd_xl_base_1.0_0.9vae.safetensors", "unet/openvino_model.bin")
    write_decoys(folder, "vae_1_0/diffusion_pytorch_model.safetensors", "text_encoder/model.onnx")
    return folder


def build_flow_pipeline(folder: Path) -> Path:
    """Flux: a transformer with a flow match scheduler, plain files only. It makes 1024x1024 where no size is given."""
    torch.manual_seed(0)
    vocabulary = write_clip_tokenizer(folder / "tokenizer")
    pieces = write_t5_tokenizer(folder / "tokenizer_2", length=512)
    save_model(transformers.CLIPTextModel(clip_text_config(vocabulary)), folder / "text_encoder")
    save_model(transformers.T5EncoderModel(t5_config(pieces)), folder / "text_encoder_2")
    save_model(diffusers.FluxTransformer2DModel(**FLUX), folder / "transformer")
    vae = diffusers.AutoencoderKL(**VAE, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1)
    save_model(vae, folder / "vae")
    diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0).save_pretrained(folder / "scheduler")
    components = {
        "scheduler": ("diffusers", "FlowMatchEulerDiscreteScheduler"),
        "text_encoder": ("transformers", "CLIPTextModel"),
        "text_encoder_2": ("transformers", "T5EncoderModel"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "tokenizer_2": ("transformers", "T5TokenizerFast"),
        "transformer": ("diffusers", "FluxTransformer2DModel"),
        "vae": ("diffusers", "AutoencoderKL"),
    }
    write_index(folder, "FluxPipeline", components)
    write_card(folder, "apache-2.0", "text-to-image", "diffusers")
    write_decoys(folder, "flux1-schnell.safetensors", "ae.safetensors")
    return folder
