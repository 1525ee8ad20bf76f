"""Every melody that the model learns. Each is rendered once and coded by the codec."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import EncodecModel

from tools.train.audio.synthesis import render
from tools.train.audio.world import INSTRUMENTS, MODES, REGISTERS, TEMPI, Piece, melodies


@dataclass(frozen=True)
class Pool:
    """Codes (melodies, codebooks, frames) by piece."""

    codes: dict[Piece, Tensor]

    def draw(self, piece: Piece, rng: np.random.Generator) -> Tensor:
        """The codes (codebooks, frames) of a melody of the piece."""
        coded = self.codes[canonical(piece)]
        return coded[int(rng.integers(len(coded)))]


def canonical(piece: Piece) -> Piece:
    """The piece itself, or for drums the one piece of its tempo, because drums have no register or mode."""
    return piece if piece.has_register else Piece(piece.instrument, REGISTERS[0], piece.tempo, MODES[0])


def every_piece() -> Iterator[Piece]:
    """Each combination of attributes that sounds different."""
    for attributes in itertools.product(INSTRUMENTS, REGISTERS, TEMPI, MODES):
        piece = Piece(*attributes)
        if piece == canonical(piece) and (piece.instrument, piece.register) != ("bass", "high"):
            yield piece


def _render_all(piece: Piece) -> Tensor:
    """Every melody of a piece: (melodies, 1, samples)."""
    return torch.from_numpy(np.stack([render(piece, melody) for melody in range(melodies(piece))])[:, None])


@torch.no_grad()
def encode_all(codec: EncodecModel) -> dict[Piece, Tensor]:
    """Latents (melodies, width, frames) of every melody, by piece."""
    return {piece: codec.encoder(_render_all(piece)) for piece in every_piece()}


@torch.no_grad()
def quantize_all(codec: EncodecModel, latents: dict[Piece, Tensor]) -> Pool:
    """The pool of codes."""
    return Pool({piece: codec.quantizer.encode(part).transpose(0, 1) for piece, part in latents.items()})
