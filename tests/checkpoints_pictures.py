"""More small pipelines for pictures: one without CLIP, and one whose guidance was distilled into the model."""

from pathlib import Path

import diffusers
import torch
import transformers
from checkpoint_parts import save_model, t5_config, write_card, write_t5_tokenizer
from checkpoint_pipelines import UNET, VAE, build_stable_diffusion, save_component, write_index


def build_pixart(folder: Path) -> Path:
    """PixArt: a transformer that reads T5's tokens alone, with a scheduler that states no settings of latents."""
    torch.manual_seed(0)
    pieces = write_t5_tokenizer(folder / "tokenizer", length=64)
    save_model(transformers.T5EncoderModel(t5_config(pieces)), folder / "text_encoder")
    transformer = diffusers.PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=4,
        out_channels=8,
        num_layers=1,
        cross_attention_dim=16,
        caption_channels=32,
        sample_size=32,
        patch_size=2,
        norm_type="ada_norm_single",
        use_additional_conditions=False,
    )
    save_model(transformer, folder / "transformer")
    save_model(diffusers.AutoencoderKL(**VAE), folder / "vae")
    diffusers.DPMSolverMultistepScheduler().save_pretrained(folder / "scheduler")
    components = {
        "scheduler": ("diffusers", "DPMSolverMultistepScheduler"),
        "text_encoder": ("transformers", "T5EncoderModel"),
        "tokenizer": ("transformers", "T5TokenizerFast"),
        "transformer": ("diffusers", "PixArtTransformer2DModel"),
        "vae": ("diffusers", "AutoencoderKL"),
    }
    write_index(folder, "PixArtAlphaPipeline", components)
    write_card(folder, "openrail++", "text-to-image", "diffusers")
    return folder


def build_distilled(folder: Path) -> Path:
    """Stable Diffusion whose UNet takes the guidance as an input, as models distilled for a few steps do."""
    build_stable_diffusion(folder)
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(**UNET, cross_attention_dim=32, attention_head_dim=8, time_cond_proj_dim=16)
    save_component(unet, folder / "unet")
    return folder
