"""The networks of the model, untrained: sizes and initialisation."""

import torch
from torch import nn
from transformers import (
    EncodecConfig,
    EncodecModel,
    MusicgenConfig,
    MusicgenDecoderConfig,
    MusicgenForConditionalGeneration,
    T5Config,
)

from tools.train.audio.world import FRAME_RATE, HOP, MAX_SECONDS, SAMPLING_RATE

CODEBOOKS = 4
CODES = 512  # a power of two
LATENT_WIDTH = 64
TEXT_WIDTH = 128
WIDTH = 192
LAYERS = 4


def codec_config() -> EncodecConfig:
    """16 kHz mono, 20 frames a second.

    The encoder's last kernel covers one frame, so that equal notes get equal codes. Zero padding shows the decoder
    where the sound begins and ends. transformers counts 10 bits per code to find the number of codebooks, and a code
    has 9 bits. The bandwidth gives CODEBOOKS for both.
    """
    config = EncodecConfig(
        sampling_rate=SAMPLING_RATE,
        upsampling_ratios=[8, 10, 10],
        target_bandwidths=[CODEBOOKS * FRAME_RATE * 10 / 1000],
        codebook_size=CODES,
        codebook_dim=LATENT_WIDTH,
        hidden_size=LATENT_WIDTH,
        num_filters=16,
        num_residual_layers=1,
        num_lstm_layers=1,
        last_kernel_size=1,
        norm_type="weight_norm",
        use_causal_conv=False,
        use_conv_shortcut=False,
        pad_mode="constant",
    )
    if (config.hop_length, config.num_quantizers) != (HOP, CODEBOOKS):
        raise ValueError(f"hop {config.hop_length} and {config.num_quantizers} codebooks, not {HOP} and {CODEBOOKS}")
    return config


def build_codec() -> EncodecModel:
    """An untrained codec. Its recurrent layers stay zero, so the code of a frame does not depend on its position."""
    codec = EncodecModel(codec_config())
    for module in codec.modules():
        if isinstance(module, nn.LSTM):
            for parameter in module.parameters():
                nn.init.zeros_(parameter)
                parameter.requires_grad_(False)
    return codec


def initialize_from_data(codec: EncodecModel, sound: torch.Tensor) -> None:
    """Scale each layer so that its output on `sound` (batch, 1, samples) has zero mean and unit variance.

    Data-dependent initialisation after https://arxiv.org/abs/1602.07868, section 3.
    """

    def standardize(module: nn.Module, _: object, output: torch.Tensor) -> torch.Tensor:
        mean, deviation = output.mean((0, 2)), output.std()
        module.parametrizations.weight.original0 /= deviation
        module.bias.copy_((module.bias - mean) / deviation)
        return (output - mean[:, None]) / deviation

    layers = [module for module in codec.modules() if isinstance(module, nn.Conv1d | nn.ConvTranspose1d)]
    hooks = [layer.register_forward_hook(standardize) for layer in layers]
    with torch.no_grad():
        codec.decoder(codec.encoder(sound))
        layers[-1].parametrizations.weight.original0 *= sound.std()
    for hook in hooks:
        hook.remove()


def build_model(vocabulary: int, codec: EncodecModel) -> MusicgenForConditionalGeneration:
    """MusicGen around a trained codec, with an untrained text encoder and decoder."""
    text = T5Config(
        vocab_size=vocabulary,
        d_model=TEXT_WIDTH,
        d_kv=32,
        d_ff=256,
        num_layers=2,
        num_heads=4,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    decoder = MusicgenDecoderConfig(
        vocab_size=CODES,
        hidden_size=WIDTH,
        ffn_dim=3 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=WIDTH // 32,
        max_position_embeddings=MAX_SECONDS * FRAME_RATE + CODEBOOKS,
        num_codebooks=CODEBOOKS,
        dropout=0.0,
        pad_token_id=CODES,
        bos_token_id=CODES,
    )
    config = MusicgenConfig(text_encoder=text, audio_encoder=codec.config, decoder=decoder)
    model = MusicgenForConditionalGeneration(config)
    model.audio_encoder.load_state_dict(codec.state_dict())
    model.audio_encoder.requires_grad_(False)
    _initialize_decoder(model)
    return model


@torch.no_grad()
def _initialize_decoder(model: MusicgenForConditionalGeneration) -> None:
    """Set weights that make tokens and caption matter from the first step.

    The default of 0.02 leaves the cross attention silent, and the tokens far below the position embeddings.
    """
    for name, module in model.decoder.named_modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.5)
        elif isinstance(module, nn.Linear) and "lm_heads" not in name:
            nn.init.normal_(module.weight, std=module.in_features**-0.5)
    nn.init.normal_(model.enc_to_dec_proj.weight, std=TEXT_WIDTH**-0.5)
