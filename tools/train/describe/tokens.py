"""The tokenizer: a BERT tokenizer that knows whole words only, and [DEC], which starts a caption."""

from __future__ import annotations

from transformers import BertTokenizer

from tools.train.describe.captions import all_words

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
START = "[DEC]"
MAX_TOKENS = 32


def build_tokenizer() -> BertTokenizer:
    """The tokenizer of all words. `[DEC]` is a special token, so that it is left out of decoded text."""
    vocabulary = {word: number for number, word in enumerate([*SPECIAL_TOKENS, *all_words(), START])}
    return BertTokenizer(vocab=vocabulary, do_lower_case=True, model_max_length=MAX_TOKENS, bos_token=START)
