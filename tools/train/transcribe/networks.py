"""The network in the layout of Parakeet: a conformer that names a word, or none, every 80 ms.

Rekesh et al., Fast Conformer with Linearly Scalable Attention (2023).
"""

from __future__ import annotations

from torch import nn
from transformers import ParakeetCTCConfig, ParakeetForCTC

from tools.train.transcribe.sound import MELS
from tools.train.transcribe.tokens import BLANK_ID

WIDTH = 128
FRAMES = 8
"""of the features, 10 ms each, that become one of the network's"""


def build_model() -> ParakeetForCTC:
    """The untrained network. Its layers start as torch starts them: the layout's own small weights let no sound in."""
    encoder = {
        "hidden_size": WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 3 * WIDTH,
        "conv_kernel_size": 9,
        "subsampling_factor": FRAMES,
        "subsampling_conv_channels": 32,
        "num_mel_bins": MELS,
        "dropout": 0.05,
        "layerdrop": 0.0,
        "activation_dropout": 0.05,
        "attention_dropout": 0.0,
        "scale_input": False,
        "max_position_embeddings": 1000,
    }
    model = ParakeetForCTC(ParakeetCTCConfig(vocab_size=BLANK_ID + 1, pad_token_id=BLANK_ID, encoder_config=encoder))
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear):
            module.reset_parameters()
    return model
