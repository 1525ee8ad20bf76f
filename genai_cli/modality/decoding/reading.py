"""What a tokenizer cannot read of a text, and where a model stops reading it."""

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from genai_cli.errors import InputError
from genai_cli.events import Emit, Notice
from genai_cli.harmless import shorten

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SPOKEN_MARKS = frozenset("%&@#*§")  # punctuation to Unicode, and words to a reader
SPACES = "▁Ġ# "  # how tokenizers mark where words begin and go on
MOST_SHOWN, LONGEST_SHOWN = 8, 40  # words, and characters of one


def report_unread(tokenizer: "PreTrainedTokenizerBase", text: str, model: str, emit: Emit) -> None:
    """Say which characters and words of a text the model cannot read. Raises InputError where it can read none."""
    words = text.split()
    if not any(reads_some(tokenizer, word) for word in words):
        hint = "write it in the letters that the model was trained on"
        if getattr(tokenizer, "is_uroman", False):
            hint = "the model reads Latin letters: `pip install uroman` writes others in them"
        raise InputError(f"{model} can read nothing of {shorten(text, LONGEST_SHOWN)!r}", hint=hint)
    report_words(find_unread(tokenizer, words), model, emit)


def report_words(unread: Sequence[str], model: str, emit: Emit) -> None:
    """Say what the model cannot read, if anything."""
    if unread:
        shown = ", ".join(repr(shorten(one, LONGEST_SHOWN)) for one in unread[:MOST_SHOWN])
        more = f" and {len(unread) - MOST_SHOWN} more" if len(unread) > MOST_SHOWN else ""
        emit(Notice(f"{model} cannot read {shown}{more}; skipped"))


def find_unread(tokenizer: "PreTrainedTokenizerBase", words: Sequence[str]) -> list[str]:
    """The characters that the tokenizer leaves out, and the words that it has no token for, each once."""
    if getattr(tokenizer, "phonemize", False):
        return []  # the words become sounds first, and no sound belongs to a letter
    letters = dict.fromkeys(letter for word in words for letter in word if is_spoken(letter))
    left_out = [letter for letter in letters if not encode(tokenizer, letter)]
    unknown = [
        word
        for word in dict.fromkeys(words)
        if any(map(is_spoken, word)) and unknown_token(tokenizer) in encode(tokenizer, word)
    ]
    return [*left_out, *unknown]


def reads_some(tokenizer: "PreTrainedTokenizerBase", word: str) -> bool:
    """Whether anything of a word becomes a token that stands for it."""
    known = [token for token in encode(tokenizer, word) if token != unknown_token(tokenizer)]
    return any(str(name).strip(SPACES) or word.strip() == name for name in tokenizer.convert_ids_to_tokens(known))


def encode(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """The tokens of a text, without special ones, and without the blanks that VITS puts around each letter."""
    if hasattr(tokenizer, "add_blank"):
        letters, _ = tokenizer.prepare_for_tokenization(text)
        return list(tokenizer.convert_tokens_to_ids(list(letters)))
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def unknown_token(tokenizer: "PreTrainedTokenizerBase") -> int | None:
    """The token for what the tokenizer does not know."""
    token: int | None = tokenizer.unk_token_id
    return token


def is_spoken(letter: str) -> bool:
    """Whether a character is a part of words: a letter, a digit, or a sign such as an emoji or %."""
    return unicodedata.category(letter)[0] in "LNS" or letter in SPOKEN_MARKS


def report_cut(tokenizer: "PreTrainedTokenizerBase", text: str, limit: int, emit: Emit) -> None:
    """Say what of a text lies past the tokens that the model reads."""
    tokens = encode(tokenizer, text)
    if len(tokens) > limit:
        cut = tokenizer.decode(tokens[limit:], skip_special_tokens=True)
        if tokenizer.is_fast:
            offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
            cut = text[offsets[limit][0] :]
        emit(Notice(f"the prompt has {len(tokens)} tokens and the model reads {limit}; cut off: {cut!r}"))
