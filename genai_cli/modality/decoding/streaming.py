"""Tokens become pieces of text as they are generated. A stop text ends the text."""

import functools
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from genai_cli.modality.decoding.sampling import FiniteScores

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


class PieceStream:
    """One item's text as its tokens are generated: exact pieces, held back while they may begin a stop text.

    `text` is the text so far, without the first stop text and what follows. `ended` is true after a stop text, after an
    end token, or after `limit` tokens. Only the last has the finish reason `length`.
    """

    def __init__(
        self, decode: Callable[[int], str | None], stop: Sequence[str], limit: int, on_piece: Callable[[str], None]
    ) -> None:
        self.decode = decode
        self.stop = stop
        self.left = limit
        self.made = 0
        self.finish_reason = "length"
        self.on_piece = on_piece
        self.ended = False
        self.text = ""
        self.pending = ""

    def add(self, token: int, is_end: bool) -> None:
        """Take the next token. Tokens after the end are ignored."""
        if self.ended:
            return
        self.left -= 1
        self.made += 1
        if not is_end:
            self.take(self.decode(token) or "")
        if is_end or self.ended:
            self.finish_reason = "stop"
        if is_end or self.left == 0:
            self.ended = True
        if self.ended:
            self.release(len(self.pending))

    def take(self, piece: str) -> None:
        """Add decoded text. Send out what cannot be part of a stop text."""
        self.pending += piece
        found = [at for stop in self.stop if (at := self.pending.find(stop)) >= 0]
        if found:
            self.ended = True
            self.pending = self.pending[: min(found)]
        else:
            self.release(len(self.pending) - count_held_back(self.pending, self.stop))

    def release(self, length: int) -> None:
        """Send out the first characters of the pending text."""
        piece, self.pending = self.pending[:length], self.pending[length:]
        if piece:
            self.text += piece
            self.on_piece(piece)


class StopEndedItems:
    """A stopping criterion for transformers' generate that hands each item's new token to the item's own stream."""

    def __init__(self, streams: Sequence[PieceStream], ends: Collection[int], finite: FiniteScores) -> None:
        self.streams = streams
        self.ends = ends
        self.finite = finite

    def __call__(self, input_ids: "torch.Tensor", *_: object, **__: object) -> "torch.Tensor":
        """Which items have ended: a bool tensor of shape (items,)."""
        import torch

        for stream, token in zip(self.streams, input_ids[:, -1].tolist(), strict=True):
            stream.add(token, token in self.ends)
        ended = torch.tensor([stream.ended for stream in self.streams], device=input_ids.device)
        broken = self.finite.broken
        return ended if broken is None else ended | broken.to(input_ids.device)


def count_held_back(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end of `text` may be the beginning of a stop text."""
    lengths = (length for stop in stops for length in range(1, len(stop)) if text.endswith(stop[:length]))
    return max(lengths, default=0)


def make_incremental_decoder(
    tokenizer: "PreTrainedTokenizerBase", prompt_tokens: list[int]
) -> Callable[[int], str | None]:
    """A function from the next token id to the text it completes. It is exact for spaces and multi-token characters."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        from tokenizers.decoders import DecodeStream

        stream = DecodeStream(ids=prompt_tokens, skip_special_tokens=True)
        step: Callable[[int], str | None] = functools.partial(stream.step, backend)
        return step
    tokens = list(prompt_tokens)
    shown = tokenizer.decode(tokens, skip_special_tokens=True)

    def decode(token: int) -> str | None:
        nonlocal shown
        tokens.append(token)
        text: str = tokenizer.decode(tokens, skip_special_tokens=True)
        if text.endswith("\N{REPLACEMENT CHARACTER}") or not text.startswith(shown):
            return None
        piece, shown = text[len(shown) :], text
        return piece

    return decode
