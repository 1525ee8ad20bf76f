"""Tokens become pieces of text as they are made, and stop texts end it."""

import functools
from collections.abc import Callable, Sequence
from typing import Any


class PieceStreamer:
    """A streamer for transformers' generate: exact pieces of text, held back while they may begin a stop text.

    `text` is what was made so far, up to but without the first stop text.
    """

    def __init__(
        self, tokenizer: Any, prompt_tokens: list[int], stop: Sequence[str], on_piece: Callable[[str], None]
    ) -> None:
        self.stop = stop
        self.on_piece = on_piece
        self.stopped = False
        self.text = ""
        self.pending = ""
        self.prompt_seen = False
        self.decode = incremental_decoder(tokenizer, prompt_tokens)

    def put(self, value: Any) -> None:
        """Take the prompt (first) and then each new token id."""
        if not self.prompt_seen:
            self.prompt_seen = True
            return
        for token in value.flatten().tolist():
            if not self.stopped:
                self.take(self.decode(token) or "")

    def take(self, piece: str) -> None:
        """Add decoded text; what can no longer be part of a stop text goes out."""
        self.pending += piece
        found = [at for stop in self.stop if (at := self.pending.find(stop)) >= 0]
        if found:
            self.stopped = True
            self.release(min(found))
            self.pending = ""
        else:
            self.release(len(self.pending) - held_back(self.pending, self.stop))

    def release(self, length: int) -> None:
        """Send out the first characters of what is pending."""
        piece, self.pending = self.pending[:length], self.pending[length:]
        if piece:
            self.text += piece
            self.on_piece(piece)

    def end(self) -> None:
        """Send out the rest."""
        self.release(len(self.pending))


class StopWhenStopped:
    """A stopping criterion for transformers' generate: true once the streamer met a stop text."""

    def __init__(self, streamer: PieceStreamer) -> None:
        self.streamer = streamer

    def __call__(self, input_ids: Any, *_: Any, **__: Any) -> Any:
        """A bool tensor of shape (batch,)."""
        import torch

        return torch.full((input_ids.shape[0],), self.streamer.stopped, dtype=torch.bool, device=input_ids.device)


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
