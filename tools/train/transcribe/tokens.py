"""The tokens of CTC: each known word is one, and between them stands the blank."""

from __future__ import annotations

from functools import cache

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import ParakeetTokenizer

from tools.train.transcribe.words import WORDS

SPACE = "\u2581"
"""how SentencePiece writes a space"""
UNKNOWN, BLANK = "<unk>", "<pad>"
BLANK_ID = len(WORDS) + 1


@cache
def word_ids() -> dict[str, int]:
    """The number of each known word."""
    return {word: number for number, word in enumerate(sorted(WORDS))}


def build_tokenizer() -> ParakeetTokenizer:
    """The tokenizer. What it does not know is one token."""
    vocabulary = {f"{SPACE}{word}": number for word, number in word_ids().items()}
    vocabulary |= {UNKNOWN: len(WORDS), BLANK: BLANK_ID}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE)
    tokenizer.decoder = decoders.Metaspace(replacement=SPACE)
    return ParakeetTokenizer(tokenizer_object=tokenizer, unk_token=UNKNOWN, pad_token=BLANK)
