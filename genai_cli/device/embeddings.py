"""Embeddings (textual inversion) in a loaded pipeline: a word with vectors of its own, taken up and given back.

Forms: diffusers' (one tensor under the word), AUTOMATIC1111's and kohya's (`emb_params`), and SDXL's pairs (`clip_l`
and `clip_g`): https://huggingface.co/docs/diffusers/using-diffusers/textual_inversion_inference
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.device.loras import read_tensors

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline
    from transformers import PreTrainedTokenizerBase

NAMELESS = ("emb_params", "*", "clip_l", "clip_g", "string_to_param")
PAIR = ("clip_l", "clip_g")
ENCODERS = (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2"))


def read_embedding(path: Path, token: str | None) -> "tuple[str, list[torch.Tensor]]":
    """The word of an embedding and its vectors, each of shape (vectors, features), one tensor for each text encoder."""
    tensors = read_tensors(path)
    own = next((name for name in tensors if name not in NAMELESS), None)
    if set(PAIR) <= set(tensors):
        found = [tensors[name] for name in PAIR]
    else:
        found = [next(tensors[name] for name in (*NAMELESS, own) if name in tensors)]
    word = token or (own if own and len(tensors) == 1 else path.stem)
    return word, [tensor[None] if tensor.ndim == 1 else tensor for tensor in found]


def list_widths(pipeline: "DiffusionPipeline") -> list[int]:
    """How many features the words of each text encoder have."""
    encoders = [getattr(pipeline, name, None) for _, name in ENCODERS]
    return [int(encoder.get_input_embeddings().weight.shape[1]) for encoder in encoders if encoder is not None]


def has_word(pipeline: "DiffusionPipeline", word: str) -> bool:
    """Whether a tokenizer of the pipeline has the word as one token already."""
    tokenizers = [getattr(pipeline, name, None) for name, _ in ENCODERS]
    return any(word in tokenizer.get_vocab() for tokenizer in tokenizers if tokenizer is not None)


class Words:
    """The words of a pipeline: those that it came with, and those that embeddings add."""

    def __init__(self, pipeline: "DiffusionPipeline") -> None:
        self.pipeline = pipeline
        self.tokenizers: dict[str, PreTrainedTokenizerBase] = {}
        self.counts: dict[str, int] = {}

    def add(self, vectors: Mapping[str, "list[torch.Tensor]"]) -> None:
        """Have the words that the pipeline came with, and these; each with a tensor for each text encoder."""
        self.restore()
        for number, (tokenizer_name, encoder_name) in enumerate(ENCODERS):
            tokenizer, encoder = (getattr(self.pipeline, name, None) for name in (tokenizer_name, encoder_name))
            if tokenizer is None or encoder is None or not vectors:
                continue
            self.tokenizers[tokenizer_name] = copy.deepcopy(tokenizer)
            self.counts[encoder_name] = int(encoder.get_input_embeddings().weight.shape[0])
            for word, tensors in vectors.items():
                self.pipeline.load_textual_inversion(
                    {word: tensors[number]}, token=word, tokenizer=tokenizer, text_encoder=encoder
                )

    def restore(self) -> None:
        """Have no words but those that the pipeline came with."""
        for name, tokenizer in self.tokenizers.items():
            setattr(self.pipeline, name, tokenizer)
        for name, count in self.counts.items():
            getattr(self.pipeline, name).resize_token_embeddings(count)
        self.tokenizers, self.counts = {}, {}
