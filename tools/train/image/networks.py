"""The networks of the pipeline, untrained: sizes and initialisation."""

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from tools.train.image.drawing import IMAGE_SIZE

LATENT_CHANNELS = 8
LATENT_SIZE = IMAGE_SIZE // 8
TEXT_WIDTH = 128
INITIAL_LOG_VARIANCE = -6.0


def _silence_residual_branches(network: nn.Module, names: tuple[str, ...]) -> None:
    """Zero the last layer of each residual branch, so that a deep network starts like a shallow one."""
    for name, module in network.named_modules():
        if name.endswith(names) and isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)


def build_autoencoder() -> AutoencoderKL:
    """64x64 RGB to 8x8 latents of 8 channels and back."""
    channels = (16, 32, 48, 64)
    autoencoder = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        block_out_channels=channels,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        # Few groups: normalising small groups of channels removes the colour of flat areas (2 times slower).
        norm_num_groups=2,
        sample_size=IMAGE_SIZE,
    )
    _silence_residual_branches(autoencoder, ("conv2", "to_out.0"))
    # Little noise on the latents at the start: at unit variance it would hide them for the first minutes.
    with torch.no_grad():
        autoencoder.quant_conv.bias[LATENT_CHANNELS:] = INITIAL_LOG_VARIANCE
    return autoencoder


def build_denoiser() -> UNet2DConditionModel:
    """A UNet over the latents with cross attention to the text at both of its levels."""
    channels = (64, 128)
    denoiser = UNet2DConditionModel(
        sample_size=LATENT_SIZE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("CrossAttnDownBlock2D",) * len(channels),
        up_block_types=("CrossAttnUpBlock2D",) * len(channels),
        block_out_channels=channels,
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    _silence_residual_branches(denoiser, ("conv2", "to_out.0", "ff.net.2", "conv_out"))
    return denoiser


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """A two-layer CLIP text encoder for the tokenizer's vocabulary."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        hidden_act="quick_gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)
