"""Tokens become pieces of text as they are generated. A stop text ends the text."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from genai_cli.modality.decoding.sampling import FiniteScores

if TYPE_CHECKING:
    import torch


class PieceStream:
    """One item's text as its tokens are generated: exact pieces, held back while they may begin a stop text.

    `text` is the text so far, without the first stop text and what follows. `ended` is true after a stop text, after an
    end token, or after `limit` tokens. Only the last has the finish reason `length`. `special` are the texts of special
    tokens by their ids.
    """

    def __init__(
        self,
        decode: Callable[[int], str | None],
        stop: Sequence[str],
        limit: int,
        on_piece: Callable[[str], None],
        special: Mapping[int, str] | None = None,
    ) -> None:
        self.decode = decode
        self.stop = stop
        # Special tokens are not a part of the text; those in a stop text are needed to find it.
        self.special = {token: text for token, text in (special or {}).items() if any(text in one for one in stop)}
        self.left = limit
        self.made = 0
        self.finish_reason = "length"
        self.on_piece = on_piece
        self.ended = False
        self.text = ""
        self.pending = ""
        self.hidden: list[bool] = []
        """For each pending character whether it belongs to a special token."""

    def add(self, token: int, is_end: bool) -> None:
        """Take the next token. Tokens after the end are ignored."""
        if self.ended:
            return
        self.left -= 1
        self.made += 1
        if not is_end:
            self.take(self.decode(token) or "")
            if token in self.special and not self.ended:
                self.take(self.special[token], hidden=True)
        if is_end or self.ended:
            self.finish_reason = "stop"
        if is_end or self.left == 0:
            self.ended = True
        if self.ended:
            self.release(len(self.pending))

    def take(self, piece: str, hidden: bool = False) -> None:
        """Add decoded text. Send out what cannot be part of a stop text."""
        self.pending += piece
        self.hidden += [hidden] * len(piece)
        found = [at for stop in self.stop if (at := self.pending.find(stop)) >= 0]
        if found:
            self.ended = True
            self.pending = self.pending[: min(found)]
        else:
            self.release(len(self.pending) - count_held_back(self.pending, self.stop))

    def release(self, length: int) -> None:
        """Send out the first characters of the pending text."""
        piece = "".join(
            letter for letter, hidden in zip(self.pending[:length], self.hidden, strict=False) if not hidden
        )
        self.pending, self.hidden = self.pending[length:], self.hidden[length:]
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
