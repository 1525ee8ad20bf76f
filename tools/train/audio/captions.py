"""Captions of pieces in free wording. Some of them are held out of training."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tools.train.audio.wordings import ATTRIBUTE_WORDINGS, BEATS, ENDINGS, IDIOMS, NAMES, OPENINGS, TUNES
from tools.train.audio.world import Piece, draw_piece

HELD_OUT_SHARE = 0.2  # of all wordings
IDIOM_SHARE = 0.06
MENTIONED = 0.75  # chance that an attribute is mentioned
LISTED = 0.25  # share of captions that are a list with commas
AFTER = 0.4  # chance that an attribute comes after the instrument


@dataclass(frozen=True)
class Captioned:
    """A piece, a caption of it in lower case, and the attributes that the caption states."""

    piece: Piece
    text: str
    stated: frozenset[str]


def is_held_out(text: str) -> bool:
    """Whether a wording is used only for measurements. Its hash decides."""
    return zlib.crc32(text.encode()) % 100 < 100 * HELD_OUT_SHARE


def _pick(rng: np.random.Generator, words: Sequence[str]) -> str:
    return words[int(rng.integers(len(words)))]


def _shuffled(rng: np.random.Generator, words: Sequence[str]) -> list[str]:
    return [words[index] for index in rng.permutation(len(words))]


def _join(words: Sequence[str]) -> str:
    return " ".join(word for word in words if word)


def _listing(piece: Piece, stated: frozenset[str], rng: np.random.Generator) -> str:
    """Instrument and attributes in any order, separated by commas, such as `drums, fast`."""
    parts = [_pick(rng, NAMES[piece.instrument])]
    for attribute in sorted(stated):
        wording = ATTRIBUTE_WORDINGS[attribute][getattr(piece, attribute)]
        parts.append(_pick(rng, wording.adjectives + wording.phrases))
    return ", ".join(_shuffled(rng, parts) if rng.random() < 0.6 else parts)


def _sentence(piece: Piece, stated: frozenset[str], rng: np.random.Generator) -> str:
    """Attributes before and after the instrument and its tune: `slow sad piano melody in a low register`."""
    before, after = [], []
    for attribute in _shuffled(rng, sorted(stated)):
        wording = ATTRIBUTE_WORDINGS[attribute][getattr(piece, attribute)]
        if rng.random() < AFTER:
            after.append(_pick(rng, wording.phrases if rng.random() < 0.8 else wording.adjectives))
        else:
            before.append(_pick(rng, wording.adjectives))
    adjectives = (", " if rng.random() < 0.15 else " and " if rng.random() < 0.1 else " ").join(before)
    name, tune = _pick(rng, NAMES[piece.instrument]), _pick(rng, TUNES if piece.has_register else BEATS)
    form = rng.random()
    if form < 0.15 and tune:
        noun = _join(
            [adjectives, tune, _pick(rng, ("played on", "on", "for", "by")), _pick(rng, ("", "a", "the")), name]
        )
    elif form < 0.25 and tune:
        noun = _join([name, "playing", _pick(rng, ("a", "some", "")), adjectives, tune])
    else:
        noun = _join([adjectives, name, tune])
    return (" " if rng.random() < 0.6 else ", ").join([noun, *after])


def write_caption(piece: Piece, rng: np.random.Generator) -> Captioned:
    """A caption that names the instrument and most of the other attributes."""
    known = ("tempo", "register", "mode") if piece.has_register else ("tempo",)
    mentioned = frozenset(name for name in known if rng.random() < MENTIONED)
    # A bass has only one register, whether it is mentioned or not.
    stated = mentioned | {"instrument"} | ({"register"} if piece.instrument == "bass" else set())
    if rng.random() < LISTED:
        return Captioned(piece, _listing(piece, mentioned, rng), stated)
    text = _pick(rng, OPENINGS) + _sentence(piece, mentioned, rng) + _pick(rng, ENDINGS)
    return Captioned(piece, text, stated)


def _write_idiom(rng: np.random.Generator) -> Captioned:
    """A caption that means an instrument without naming it, and a piece that it fits."""
    idiom, meaning = IDIOMS[int(rng.integers(len(IDIOMS)))]
    return Captioned(draw_piece(rng, **meaning), _pick(rng, OPENINGS) + idiom + _pick(rng, ENDINGS), frozenset(meaning))


def draw_captioned(rng: np.random.Generator, held_out: bool) -> Captioned:
    """A random piece and a caption of it, from the training wordings or from the held-out ones."""
    while True:
        drawn = _write_idiom(rng) if rng.random() < IDIOM_SHARE else write_caption(draw_piece(rng), rng)
        if is_held_out(drawn.text) == held_out:
            return drawn
