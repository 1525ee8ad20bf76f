"""Tokens become pieces of text as they are made, and stop texts end it."""

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

from genai_cli.modality.sampling import FiniteRows


class PieceStream:
    """One item's text as its tokens are made: exact pieces, held back while they may begin a stop text.

    `text` is what was made so far, up to but without the first stop text; `ended` is true after that, after one of the
    end tokens, or after `limit` tokens, which alone is the finish reason `length`.
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
        """Take the next token; what comes after the end is none of the item's."""
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
        """Add decoded text; what can no longer be part of a stop text goes out."""
        self.pending += piece
        found = [at for stop in self.stop if (at := self.pending.find(stop)) >= 0]
        if found:
            self.ended = True
            self.pending = self.pending[: min(found)]
        else:
            self.release(len(self.pending) - held_back(self.pending, self.stop))

    def release(self, length: int) -> None:
        """Send out the first characters of what is pending."""
        piece, self.pending = self.pending[:length], self.pending[length:]
        if piece:
            self.text += piece
            self.on_piece(piece)


class EndOfRows:
    """A stopping criterion for transformers' generate that hands each row's new token to the row's own stream."""

    def __init__(self, streams: Sequence[PieceStream], ends: Collection[int], finite: FiniteRows) -> None:
        self.streams = streams
        self.ends = ends
        self.finite = finite

    def __call__(self, input_ids: Any, *_: Any, **__: Any) -> Any:
        """Which rows have ended: a bool tensor of shape (rows,)."""
        import torch

        for stream, token in zip(self.streams, input_ids[:, -1].tolist(), strict=True):
            stream.add(token, token in self.ends)
        ended = torch.tensor([stream.ended for stream in self.streams], device=input_ids.device)
        return ended | self.finite.broken.to(input_ids.device)


def held_back(text: str, stops: Sequence[str]) -> int:
    """How many characters at the end of `text` may be the beginning of a stop text."""
    lengths = (length for stop in stops for length in range(1, len(stop)) if text.endswith(stop[:length]))
    return max(lengths, default=0)


def incremental_decoder(tokenizer: Any, prompt_tokens: list[int]) -> Callable[[int], str | None]:
    """A function from the next token id to the text it completes, right across spaces and multi-token characters."""
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
