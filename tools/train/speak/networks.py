"""The network in the layout of VITS: letters to levels is learned, levels to sound is written into the decoder.

Kim et al., Conditional Variational Autoencoder with Adversarial Learning for End-to-End Text-to-Speech (2021).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import VitsConfig, VitsModel, VitsTokenizer

from tools.train.shared.speech import SAMPLING_RATE
from tools.train.speak.letters import ALPHABET
from tools.train.speak.robot import AMPLITUDES, FRAME, KNOTS, LEVELS, WINDOW, band_waves

PAD, UNKNOWN = "<pad>", "<unk>"
FIRST_LETTER = 2
WIDTH = 128


def build_model() -> VitsModel:
    """The network, untrained but for the decoder, which is complete."""
    hinges = LEVELS * (len(KNOTS) - 1)
    config = VitsConfig(
        vocab_size=FIRST_LETTER + len(ALPHABET),
        pad_token_id=0,
        hidden_size=WIDTH,
        num_hidden_layers=4,
        num_attention_heads=2,
        window_size=6,
        ffn_dim=3 * WIDTH,
        ffn_kernel_size=5,
        layerdrop=0.0,
        hidden_dropout=0.05,
        attention_dropout=0.0,
        activation_dropout=0.05,
        flow_size=LEVELS,
        spectrogram_bins=1,
        use_stochastic_duration_prediction=False,
        duration_predictor_filter_channels=WIDTH,
        duration_predictor_dropout=0.1,
        prior_encoder_num_flows=4,
        prior_encoder_num_wavenet_layers=2,
        posterior_encoder_num_wavenet_layers=1,
        upsample_initial_channel=hinges,
        upsample_rates=[1, 1, FRAME],
        upsample_kernel_sizes=[1, 1, WINDOW],
        resblock_kernel_sizes=[1],
        resblock_dilation_sizes=[[]],
        leaky_relu_slope=0.0,
        noise_scale=0.0,
        noise_scale_duration=0.0,
        sampling_rate=SAMPLING_RATE,
    )
    model = VitsModel(config)
    write_decoder(model.decoder)
    return model


@torch.no_grad()
def write_decoder(decoder: nn.Module) -> None:
    """Write the vocoder into the layers of HiFi-GAN.

    The first ones turn levels to amplitudes, straight between knots; the last one adds up the waves of the bands.
    """
    for weight in decoder.parameters():
        weight.zero_()
    slopes = np.diff(AMPLITUDES) / np.diff(KNOTS)
    bends = np.diff(slopes, prepend=0.0)
    first, second, third = decoder.upsampler
    for level in range(LEVELS):
        for number, (knot, bend) in enumerate(zip(KNOTS[:-1], bends, strict=True)):
            hinge = level * len(bends) + number
            decoder.conv_pre.weight[hinge, level, 3] = 1.0
            decoder.conv_pre.bias[hinge] = -knot
            first.weight[hinge, level, 0] = bend
        second.weight[level, level, 0] = 1.0
    waves = torch.from_numpy(band_waves()).float()
    third.weight[:, 0], third.weight[:, 1] = waves, -waves
    # Both signs through the last rectifier, which lets a hundredth of what is below 0 pass.
    decoder.conv_post.weight[0, 0, 3], decoder.conv_post.weight[0, 1, 3] = 1 / 1.01, -1 / 1.01
    decoder.requires_grad_(False)


def build_tokenizer(folder: Path) -> VitsTokenizer:
    """The tokenizer of letters, whose vocabulary is written to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = {letter: FIRST_LETTER + number for number, letter in enumerate(ALPHABET)}
    path = folder / "vocab.json"
    path.write_text(json.dumps({PAD: 0, UNKNOWN: 1} | letters, ensure_ascii=False), encoding="utf-8")
    return VitsTokenizer(str(path), pad_token=PAD, unk_token=UNKNOWN, language="eng", add_blank=False, phonemize=False)


def spread(values: Tensor, frames: Tensor, longest: int) -> Tensor:
    """Letters' values (batch, letters, width) over their frames (batch, letters), as (batch, longest, width)."""
    ends = frames.cumsum(1)
    clock = torch.arange(longest).expand(len(frames), -1).contiguous()
    place = torch.searchsorted(ends, clock, right=True).clamp(max=frames.shape[1] - 1)
    return values.gather(1, place[..., None].expand(-1, -1, values.shape[-1]))
