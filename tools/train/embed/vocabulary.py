"""The student's WordPiece vocabulary, learned from the training sentences."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tools.train.embed.teacher import MAX_TOKENS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def learn_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerBase:
    """A lower-casing BertTokenizer whose vocabulary is trained on `texts`."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizer

    learner = BertWordPieceTokenizer(lowercase=True)
    learner.train_from_iterator(texts, vocab_size=vocab_size, special_tokens=SPECIAL_TOKENS, show_progress=False)
    return BertTokenizer(vocab=learner.get_vocab(), do_lower_case=True, model_max_length=2 * MAX_TOKENS)


def kept_tokenizer(folder: Path, texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerBase:
    """The tokenizer in `folder`; it is learned first if there is none."""
    from transformers import BertTokenizer

    if not (folder / "tokenizer.json").exists():
        learn_tokenizer(texts, vocab_size).save_pretrained(folder)
    return BertTokenizer.from_pretrained(folder)
