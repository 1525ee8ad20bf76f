"""How much the decoder uses a caption: the loss of right captions compared with that of wrong ones."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from transformers import BatchEncoding, PreTrainedTokenizerFast

from tools.train.audio.pool import Pool
from tools.train.audio.text import VALUES, tokenize
from tools.train.audio.world import Piece

PIECES = 16
FRAMES = 40
STREAM = 4
PITCHED = ("piano", "flute", "guitar", "organ", "bells")


def _caption(piece: Piece) -> str:
    return f"{piece.tempo} {piece.register} {piece.instrument} melody in {piece.mode}"


def caption_effects(
    tokenizer: PreTrainedTokenizerFast, pool: Pool, losses: Callable[[BatchEncoding, Tensor], Tensor], seed: int
) -> dict[str, float]:
    """By attribute, the extra loss in nats per clip if the caption states a wrong value."""
    rng = np.random.default_rng((seed, STREAM))
    values = VALUES | {"instrument": PITCHED}
    pieces = [Piece(*(str(rng.choice(options)) for options in values.values())) for _ in range(PIECES)]
    codes = torch.stack([pool.draw(piece, rng) for piece in pieces])[..., :FRAMES]
    right = losses(tokenize(tokenizer, [_caption(piece) for piece in pieces]), codes).mean()
    effects = {}
    for attribute, options in values.items():
        turned = [_turn(piece, attribute, options) for piece in pieces]
        wrong = losses(tokenize(tokenizer, [_caption(piece) for piece in turned]), codes).mean()
        effects[attribute] = float(wrong - right)
    return effects


def _turn(piece: Piece, attribute: str, options: tuple[str, ...]) -> Piece:
    """The piece with the next value of an attribute."""
    following = options[(options.index(getattr(piece, attribute)) + 1) % len(options)]
    return replace(piece, **{attribute: following})
