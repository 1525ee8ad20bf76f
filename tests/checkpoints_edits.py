"""Small pipelines that edit pictures: one made to fill masks, and two that follow instructions."""

from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from checkpoint_parts import (
    SIZES,
    byte_level_tokenizer,
    byte_pairs,
    save_model,
    update_json,
    write_byte_pairs,
    write_card,
    write_json,
)
from checkpoint_pipelines import (
    FLUX,
    UNET,
    build_flow_pipeline,
    build_sdxl,
    build_stable_diffusion,
    save_component,
    write_index,
)

END_OF_TEXT = "<|endoftext|>"
CHAT_WORDS = (
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


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


def write_qwen_tokenizer(folder: Path) -> dict[str, int]:
    """Qwen's tokenizer with the words that stand for a picture. Returns its vocabulary."""
    vocabulary, merges = byte_pairs([END_OF_TEXT, *CHAT_WORDS])
    tokenizer = byte_level_tokenizer(vocabulary, merges, [END_OF_TEXT, *CHAT_WORDS])
    write_byte_pairs(folder, vocabulary, merges)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "Qwen2Tokenizer", "model_max_length": 32768, "eos_token": "<|im_end|>"}
    write_json(folder / "tokenizer_config.json", settings | {"pad_token": END_OF_TEXT, "unk_token": None})
    return vocabulary


def build_qwen_edit(folder: Path, pipeline: str = "QwenImageEditPipeline") -> Path:
    """Qwen-Image-Edit: a chat model that sees reads picture and prompt, and the VAE is that of a model of videos."""
    torch.manual_seed(0)
    vocabulary = write_qwen_tokenizer(folder / "tokenizer")
    write_qwen_tokenizer(folder / "processor")
    pictures = {"image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2VLProcessor"}
    sizes = {"patch_size": 14, "temporal_patch_size": 2, "merge_size": 2, "min_pixels": 56**2, "max_pixels": 112**2}
    write_json(folder / "processor" / "preprocessor_config.json", pictures | sizes)
    videos = {"video_processor_type": "Qwen2VLVideoProcessor"}
    write_json(folder / "processor" / "video_preprocessor_config.json", sizes | videos)
    text = {"num_key_value_heads": 2, "rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]}}
    seen = {"depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32}
    config = transformers.Qwen2_5_VLConfig(
        text_config={**SIZES, **text, "vocab_size": len(vocabulary)},
        vision_config=seen | {"fullatt_block_indexes": [0]},
        image_token_id=vocabulary["<|image_pad|>"],
        video_token_id=vocabulary["<|video_pad|>"],
        vision_start_token_id=vocabulary["<|vision_start|>"],
        vision_end_token_id=vocabulary["<|vision_end|>"],
    )
    save_model(transformers.Qwen2_5_VLForConditionalGeneration(config), folder / "text_encoder")
    transformer = diffusers.QwenImageTransformer2DModel(
        num_layers=1, attention_head_dim=16, num_attention_heads=2, joint_attention_dim=32, axes_dims_rope=(4, 6, 6)
    )
    save_model(transformer, folder / "transformer")
    vae = diffusers.AutoencoderKLQwenImage(base_dim=8, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
    save_model(vae, folder / "vae")
    diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True).save_pretrained(folder / "scheduler")
    components = {
        "processor": ("transformers", "Qwen2VLProcessor"),
        "scheduler": ("diffusers", "FlowMatchEulerDiscreteScheduler"),
        "text_encoder": ("transformers", "Qwen2_5_VLForConditionalGeneration"),
        "tokenizer": ("transformers", "Qwen2Tokenizer"),
        "transformer": ("diffusers", "QwenImageTransformer2DModel"),
        "vae": ("diffusers", "AutoencoderKLQwenImage"),
    }
    write_index(folder, pipeline, components)
    write_card(folder, "apache-2.0", "image-to-image", "diffusers")
    return folder
