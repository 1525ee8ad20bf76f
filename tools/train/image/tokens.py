"""A CLIP tokenizer with a small vocabulary: all bytes, and the words of the captions."""

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from tools.train.image.captions import write_training_caption
from tools.train.image.scenes import draw_training_scene

MAX_TOKENS = 32
MERGES = 900
CORPUS_SIZE = 20_000
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


def _learn_merges(captions: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges that build the words of the captions, most frequent first."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    trainer = trainers.BpeTrainer(vocab_size=2 * 256 + MERGES, end_of_word_suffix=WORD_END, show_progress=False)
    tokenizer.train_from_iterator(captions, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(left, right) for left, right in merges]


def build_tokenizer(seed: int) -> CLIPTokenizer:
    """A tokenizer that accepts any text. Words of the captions are one token each; other text splits into bytes."""
    rng = np.random.default_rng(seed)
    merges = _learn_merges([write_training_caption(draw_training_scene(rng), rng) for _ in range(CORPUS_SIZE)])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = alphabet + [byte + WORD_END for byte in alphabet] + [left + right for left, right in merges]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys([*pieces, BOS, EOS]))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=MAX_TOKENS)


def save_tokenizer(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write tokenizer.json, and vocab.json and merges.txt for programs that read the older layout."""
    tokenizer.save_pretrained(folder)
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
