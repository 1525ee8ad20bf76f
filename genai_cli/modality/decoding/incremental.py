"""Token ids become text one after the other, whatever the tokenizer does with characters of several tokens."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CUT = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer writes in place of bytes that are not a whole character."""


class IncrementalDecoder:
    """The text that each next token completes, or None. It never raises, and what it gave is never taken back.

    The tokens before stand in front of the new ones when they are decoded, since spaces depend on them. A tokenizer
    with byte tokens turns a whole run of them into U+FFFD where one byte is cut, and so changes text that was given
    already. The new tokens then stand behind an ordinary token, which ends the run.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", prompt_tokens: Sequence[int]) -> None:
        self.decode = make_plain_decoder(tokenizer)
        self.ordinary = find_ordinary_token(tokenizer, self.decode)
        self.before = list(prompt_tokens)
        self.shown = self.decode(self.before)
        self.new: list[int] = []

    def __call__(self, token: int) -> str | None:
        """Take the next token."""
        self.new.append(token)
        text = self.decode([*self.before, *self.new])
        kept = self.shown.rstrip(CUT)
        # A prompt may end with U+FFFD itself, or within a character that the new tokens complete.
        if text.startswith(kept) and (kept == self.shown or not text.startswith(CUT, len(kept))):
            return self.give(text, len(kept))
        start = self.decode(self.ordinary)
        text = self.decode([*self.ordinary, *self.new])
        return self.give(text, len(start) if text.startswith(start) else 0)

    def give(self, text: str, start: int) -> str | None:
        """The text from `start` on, if it ends with a whole character. The new tokens then stand before the next."""
        if len(text) <= start or text.endswith(CUT):
            return None
        self.before, self.new = self.new, []
        self.shown = self.decode(self.before)
        return text[start:]


def make_plain_decoder(tokenizer: "PreTrainedTokenizerBase") -> Callable[[list[int]], str]:
    """The tokenizer's decoding without special tokens. Ids that it does not know are left out."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        return lambda ids: str(backend.decode(ids, skip_special_tokens=True))
    size = len(tokenizer)
    return lambda ids: str(tokenizer.decode([token for token in ids if token < size], skip_special_tokens=True))


def find_ordinary_token(tokenizer: "PreTrainedTokenizerBase", decode: Callable[[list[int]], str]) -> list[int]:
    """A token that is text alone, in a list, or an empty one where the tokenizer has none for it."""
    tokens = list(tokenizer("a", add_special_tokens=False).input_ids)[-1:]
    return tokens if decode(tokens).strip() == "a" else []


def list_special_tokens(tokenizer: "PreTrainedTokenizerBase") -> dict[int, str]:
    """The tokens that are left out of a text, by their ids."""
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    special = {int(number): str(token.content) for number, token in added.items() if token.special}
    return special | dict(zip(tokenizer.all_special_ids, map(str, tokenizer.all_special_tokens), strict=False))
