"""The network in the layout of Whisper, and how it generates."""

from __future__ import annotations

from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

from tools.train.transcribe.sound import MELS
from tools.train.transcribe.tokens import (
    END,
    MOST_TOKENS,
    NO_TIMES,
    PREVIOUS,
    SECONDS,
    START,
    build_tokenizer,
    token_id,
)


def build_model() -> WhisperForConditionalGeneration:
    """The untrained network."""
    config = WhisperConfig(
        vocab_size=len(build_tokenizer()),
        num_mel_bins=MELS,
        d_model=128,
        encoder_layers=4,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=384,
        decoder_ffn_dim=384,
        max_source_positions=SECONDS * 50,
        max_target_positions=MOST_TOKENS,
        dropout=0.05,
        bos_token_id=token_id(END),
        eos_token_id=token_id(END),
        pad_token_id=token_id(END),
        decoder_start_token_id=token_id(START),
        begin_suppress_tokens=None,
        suppress_tokens=None,
    )
    return WhisperForConditionalGeneration(config)


def generation_config() -> GenerationConfig:
    """Generation defaults: English only, and a first time anywhere in the window."""
    return GenerationConfig(
        bos_token_id=token_id(END),
        eos_token_id=token_id(END),
        pad_token_id=token_id(END),
        decoder_start_token_id=token_id(START),
        no_timestamps_token_id=token_id(NO_TIMES),
        prev_sot_token_id=token_id(PREVIOUS),
        is_multilingual=False,
        return_timestamps=False,
        max_initial_timestamp_index=SECONDS * 50,
        max_length=MOST_TOKENS,
        suppress_tokens=[],
        begin_suppress_tokens=[],
        alignment_heads=[[1, 0], [1, 1], [1, 2], [1, 3]],
    )
