"""Training examples: drawn pictures with several texts each, as bytes and token numbers."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import BertTokenizer

from tools.train.describe.captions import UNKNOWN, write_answer, write_caption
from tools.train.describe.tokens import MAX_TOKENS, build_tokenizer
from tools.train.image.drawing import IMAGE_SIZE, coverage, place_items, warm_tables
from tools.train.image.scenes import PALETTE, Item, Scene, draw_scene
from tools.train.shared.degraded import degrade
from tools.train.shared.pool import Arrays, draw_pool
from tools.train.shared.unknown import draw_unknown

Pixels = NDArray[np.uint8]
KINDS = {"single": 0.44, "like pair": 0.18, "different pair": 0.38}
UNKNOWN_SHARE = 0.1
TEXTS = 4
"""Texts a picture: two captions, a question with its answer, and one of either."""
COLOUR_JITTER = 7.0
MODEL_PICTURE_COPIES = 12


def paint(scene: Scene, rng: np.random.Generator) -> Pixels:
    """The scene in colours that are a little off, (64, 64, 3)."""

    def tint(colour: str) -> NDArray[np.float64]:
        return np.asarray(np.clip(np.array(PALETTE[colour]) + rng.normal(0, COLOUR_JITTER, 3), 0, 255))

    picture = np.empty((IMAGE_SIZE, IMAGE_SIZE, 3))
    picture[:] = tint(scene.background)
    shared = {item: tint(item.colour) for item in scene.items}
    for item, placed in zip(scene.items, place_items(scene, rng), strict=True):
        cover = coverage(item.shape, placed)[..., None]
        picture += cover * (shared[item] - picture)
    return np.round(picture).astype(np.uint8)


def draw_kind(rng: np.random.Generator) -> Scene:
    """A training scene, different pairs more often than people ask for them: they are the hardest."""
    return draw_scene(rng, str(rng.choice(list(KINDS), p=list(KINDS.values()))))


def _tokens(scene: Scene | None, rng: np.random.Generator, index: int) -> tuple[list[int], int]:
    """(token numbers from [DEC] to [SEP], how many of them are given: one, or a question)."""
    tokenizer = _tokenizer()
    question, text = "", UNKNOWN if scene is None else write_caption(scene, rng)
    if index >= 2 and (index == 2 or rng.random() < 0.3):
        question, text = write_answer(scene, rng)
    given = [tokenizer.bos_token_id, *tokenizer(question, add_special_tokens=False)["input_ids"]]
    return given + tokenizer(text, add_special_tokens=False)["input_ids"] + [tokenizer.sep_token_id], len(given)


@functools.cache
def _tokenizer() -> BertTokenizer:
    return build_tokenizer()


def write_texts(scene: Scene | None, rng: np.random.Generator) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """(token numbers, numbers to predict) of TEXTS texts, each (TEXTS, MAX_TOKENS); -100 where nothing is asked."""
    inputs = np.zeros((TEXTS, MAX_TOKENS), np.int16)
    targets = np.full((TEXTS, MAX_TOKENS), -100, np.int16)
    for index in range(TEXTS):
        tokens, given = _tokens(scene, rng, index)
        inputs[index, : len(tokens) - 1] = tokens[:-1]
        targets[index, given - 1 : len(tokens) - 1] = tokens[given:]
    return inputs, targets


def draw_part(seed: int, count: int) -> Arrays:
    """`count` examples: pixels (count, 64, 64, 3), inputs and targets (count, TEXTS, MAX_TOKENS)."""
    rng = np.random.default_rng(seed)
    pixels = np.empty((count, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    texts = []
    for index in range(count):
        scene = None if rng.random() < UNKNOWN_SHARE else draw_kind(rng)
        picture = draw_unknown(rng, IMAGE_SIZE) if scene is None else paint(scene, rng)
        pixels[index] = degrade(picture, rng)
        texts.append(write_texts(scene, rng))
    return pixels, np.stack([inputs for inputs, _ in texts]), np.stack([targets for _, targets in texts])


def draw_examples(count: int, processes: int, seed: int, pictures: Path | None) -> Arrays:
    """Drawn examples, and those of the pictures at `pictures` (see pictures.py) several times with other texts."""
    warm_tables()
    drawn = draw_pool(draw_part, count, processes, seed)
    if pictures is None:
        return drawn
    rng = np.random.default_rng(seed)
    found, scenes = load_pictures(pictures)
    repeated = np.repeat(found, MODEL_PICTURE_COPIES, axis=0)
    texts = [write_texts(scene, rng) for scene in scenes for _ in range(MODEL_PICTURE_COPIES)]
    added = (repeated, np.stack([one for one, _ in texts]), np.stack([other for _, other in texts]))
    return tuple(np.concatenate(pair) for pair in zip(drawn, added, strict=True))


def save_pictures(path: Path, pixels: Pixels, scenes: list[Scene]) -> None:
    """Keep pictures and what they show in one file."""
    rows = [
        [s.size, s.place, s.background, *(part for item in s.items for part in (item.shape, item.colour))]
        for s in scenes
    ]
    np.savez_compressed(path, pixels=pixels, scenes=np.array([" ".join(row) for row in rows]))


def load_pictures(path: Path) -> tuple[Pixels, list[Scene]]:
    """What save_pictures() kept."""
    with np.load(path) as kept:
        pixels, rows = kept["pixels"], [str(row).split() for row in kept["scenes"]]
    scenes = [Scene(tuple(Item(*row[i : i + 2]) for i in range(3, len(row), 2)), *row[:3]) for row in rows]
    return pixels, scenes
