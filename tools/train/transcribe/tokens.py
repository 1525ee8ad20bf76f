"""Whisper's tokens for the known words: all bytes, each word one piece, then the special tokens, then the times."""

from __future__ import annotations

from functools import cache

from tokenizers import pre_tokenizers
from transformers import AddedToken, WhisperTokenizer

from tools.train.transcribe.words import WORDS

SECONDS = 10
GRID = 0.02
"""s between time tokens"""
END, START, PREVIOUS, SILENCE, NO_TIMES = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)
SPECIAL = (END, START, "<|translate|>", "<|transcribe|>", "<|startoflm|>", PREVIOUS, SILENCE, NO_TIMES)
"""generate takes what follows the last one as times, and the last but one as silence"""


def _learned() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The pieces, and the merges that build each word from its beginning."""
    pieces = dict.fromkeys(sorted(pre_tokenizers.ByteLevel.alphabet()))
    merges: dict[tuple[str, str], None] = {}
    for word in sorted(WORDS):
        spaced = "Ġ" + word
        for end in range(1, len(spaced)):
            merges[spaced[:end], spaced[end]] = None
            pieces[spaced[: end + 1]] = None
    return {piece: index for index, piece in enumerate(pieces)}, list(merges)


@cache
def build_tokenizer() -> WhisperTokenizer:
    """The tokenizer. A known word after a space is one token; other text splits into bytes."""
    vocabulary, merges = _learned()
    vocabulary[END] = len(vocabulary)
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=merges, model_max_length=MOST_TOKENS)
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    times = [f"<|{i * GRID:.2f}|>" for i in range(round(SECONDS / GRID) + 1)]
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in times])
    return tokenizer


MOST_TOKENS = 128


@cache
def token_id(token: str) -> int:
    """The id of a special token."""
    index = build_tokenizer().convert_tokens_to_ids(token)
    assert isinstance(index, int)
    return index


@cache
def first_time() -> int:
    """The id of <|0.00|>."""
    return token_id(NO_TIMES) + 1


@cache
def word_ids() -> dict[str, int]:
    """The id of each known word."""
    tokenizer = build_tokenizer()
    return {word: tokenizer.convert_tokens_to_ids("Ġ" + word) for word in WORDS}
