"""MusicGen-small at full size: a T5-base encoder, a decoder of 24 layers, and the 32 kHz EnCodec."""

from pathlib import Path
from typing import Any

import torch
import transformers

from tools.bench.checkpoints.vocabulary import write_json, write_t5_tokenizer

CODES = 2048  # in each of the four codebooks; the next number is padding
CODEC = {
    "sampling_rate": 32000,
    "upsampling_ratios": [8, 5, 4, 4],
    "target_bandwidths": [2.2],
    "codebook_size": CODES,
    "codebook_dim": 128,
    "hidden_size": 128,
    "num_filters": 64,
    "num_lstm_layers": 2,
    "norm_type": "weight_norm",
    "use_causal_conv": False,
    "use_conv_shortcut": False,
}
DECODER = {
    "vocab_size": CODES,
    "hidden_size": 1024,
    "ffn_dim": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "max_position_embeddings": 2048,
    "num_codebooks": 4,
    "pad_token_id": CODES,
    "bos_token_id": CODES,
}
T5 = {"vocab_size": 32128, "d_model": 768, "d_ff": 3072, "d_kv": 64, "num_layers": 12, "num_heads": 12}


def build(folder: Path) -> None:
    """Write the checkpoint."""
    write_t5_tokenizer(folder)
    config = transformers.MusicgenConfig(text_encoder=T5, audio_encoder=CODEC, decoder=DECODER)
    model = transformers.MusicgenForConditionalGeneration(config)
    make_audible(model.audio_encoder)
    model.generation_config = transformers.GenerationConfig(
        bos_token_id=CODES,
        decoder_start_token_id=CODES,
        pad_token_id=CODES,
        do_sample=True,
        guidance_scale=3.0,
        max_length=1500,
    )
    model.eval().save_pretrained(folder)
    features = transformers.EncodecFeatureExtractor(feature_size=1, sampling_rate=32000, padding_side="left")
    write_json(folder / "preprocessor_config.json", features.to_dict() | {"processor_class": "MusicgenProcessor"})


def make_audible(codec: Any) -> None:
    """Make the codes affect the sound. A freshly initialised codec gives silence, which genai refuses."""
    for layer in codec.quantizer.layers:
        torch.nn.init.normal_(layer.codebook.embed)
    for name, weights in codec.decoder.named_parameters():
        if name.endswith("bias"):
            weights.zero_()
        elif name.endswith("original0"):  # the weight norm's lengths
            weights.mul_(1.7)
