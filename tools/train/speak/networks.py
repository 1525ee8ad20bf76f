"""The two networks in the layout of FastSpeech2Conformer: letters to mel frames, and mel frames to samples."""

from __future__ import annotations

from torch import nn
from transformers import (
    FastSpeech2ConformerConfig,
    FastSpeech2ConformerHifiGan,
    FastSpeech2ConformerHifiGanConfig,
    FastSpeech2ConformerModel,
)

from tools.train.speak.data import ALPHABET
from tools.train.speak.features import MELS

PAD, UNKNOWN = "<pad>", "<unk>"
VOCABULARY = {token: index for index, token in enumerate([PAD, UNKNOWN, *ALPHABET])}


def acoustic_config() -> FastSpeech2ConformerConfig:
    """Letters to mel frames."""
    return FastSpeech2ConformerConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=128,
        num_mel_bins=MELS,
        encoder_layers=4,
        encoder_num_attention_heads=2,
        encoder_linear_units=192,
        encoder_kernel_size=7,
        decoder_layers=3,
        decoder_num_attention_heads=2,
        decoder_linear_units=192,
        decoder_kernel_size=15,
        use_macaron_style_in_conformer=False,
        encoder_normalize_before=True,
        decoder_normalize_before=True,
        positionwise_conv_kernel_size=3,
        duration_predictor_channels=128,
        energy_predictor_channels=64,
        pitch_predictor_channels=64,
        pitch_predictor_layers=3,
        pitch_predictor_kernel_size=3,
        speech_decoder_postnet_layers=2,
        speech_decoder_postnet_units=96,
        speech_decoder_postnet_dropout=0.1,
        encoder_dropout_rate=0.1,
        encoder_positional_dropout_rate=0.0,
        encoder_attention_dropout_rate=0.0,
        decoder_dropout_rate=0.05,
        decoder_positional_dropout_rate=0.0,
        decoder_attention_dropout_rate=0.0,
        pitch_predictor_dropout=0.2,
        energy_predictor_dropout=0.2,
        max_source_positions=2000,
    )


def build_acoustic() -> FastSpeech2ConformerModel:
    """The untrained network from letters to mel frames."""
    return FastSpeech2ConformerModel(acoustic_config())


def vocoder_config() -> FastSpeech2ConformerHifiGanConfig:
    """Mel frames to HOP samples each: 8 * 8 * 2 * 2 = 256."""
    return FastSpeech2ConformerHifiGanConfig(
        model_in_dim=MELS,
        upsample_initial_channel=128,
        upsample_rates=[8, 8, 2, 2],
        upsample_kernel_sizes=[16, 16, 4, 4],
        resblock_kernel_sizes=[3, 7, 11],
        resblock_dilation_sizes=[[1, 3, 5], [1, 3, 5], [1, 3, 5]],
        normalize_before=False,
    )


def build_vocoder() -> FastSpeech2ConformerHifiGan:
    """The untrained vocoder. Its layers start as torch starts them: the layout's own tiny weights need weight norms."""
    vocoder = FastSpeech2ConformerHifiGan(vocoder_config())
    for module in vocoder.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            module.reset_parameters()
    return vocoder
