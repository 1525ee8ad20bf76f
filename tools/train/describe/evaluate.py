"""Measure an exported model on pictures not trained on: `python -m tools.train.describe.evaluate FOLDER`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tools.train.describe.captions import QUESTIONS, UNKNOWN, answer, read_caption
from tools.train.describe.examples import Pixels, paint
from tools.train.image.drawing import IMAGE_SIZE, draw
from tools.train.image.scenes import KINDS, Scene, draw_scene
from tools.train.shared.degraded import degrade
from tools.train.shared.unknown import HELD_OUT_KIND, TRAINED_KINDS, draw_unknown

COUNT = 200
MAX_NEW_TOKENS = 30
SEED = 77_000
BATCH_SIZE = 50


@dataclass(frozen=True)
class Share:
    """How many of `count` are right, of what is named."""

    name: str
    right: int
    count: int


class Describer:
    """An exported model with its processor, in float32 on the CPU."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import BlipForConditionalGeneration, BlipProcessor

        self._processor = BlipProcessor.from_pretrained(folder)
        self._model = BlipForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()

    def describe(self, images: Sequence[Image.Image], question: str = "") -> list[str]:
        """What the model says of each picture, after the question if there is one."""
        import torch

        found: list[str] = []
        for start in range(0, len(images), BATCH_SIZE):
            part = list(images[start : start + BATCH_SIZE])
            text = {"text": [question] * len(part)} if question else {}
            inputs = self._processor(images=part, return_tensors="pt", **text)
            with torch.inference_mode():
                output = self._model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS)
            given = inputs["input_ids"].shape[1] - 1 if question else 1
            found += self._processor.batch_decode(output[:, given:], skip_special_tokens=True)
        return [said.strip() for said in found]


def _images(pixels: Sequence[Pixels]) -> list[Image.Image]:
    return [Image.fromarray(one) for one in pixels]


def _clean(scene: Scene, rng: np.random.Generator) -> Pixels:
    return np.asarray(np.round((draw(scene, rng) + 1) * 127.5), np.uint8)


def measure(folder: Path, by_model: tuple[Pixels, list[Scene]] | None) -> list[Share]:
    """Shares of captions whose content is exact, on held-out combinations, and of the other pictures and questions.

    `by_model` are pictures by the small image model of held-out scenes, and these scenes.
    """
    model, shares = Describer(folder), []
    for name, kind in (("one object", "single"), ("two alike", "like pair"), ("two different", "different pair")):
        rng = np.random.default_rng(SEED)
        scenes = [draw_scene(rng, kind, held_out=True) for _ in range(COUNT)]
        clean = [_clean(scene, rng) for scene in scenes]
        worse = [degrade(paint(scene, rng), rng) for scene in scenes]
        shares.append(_exact(f"{name}, as drawn", model, clean, scenes))
        shares.append(_exact(f"{name}, blurred, noisy, compressed, recoloured", model, worse, scenes))
    if by_model is not None:
        shares.append(_exact("by the small image model", model, list(by_model[0]), by_model[1]))
    return [*shares, *_without_shapes(model), *_questions(model)]


def _exact(name: str, model: Describer, pixels: Sequence[Pixels], scenes: list[Scene]) -> Share:
    said = model.describe(_images(pixels))
    right = sum(read_caption(text) == scene for text, scene in zip(said, scenes, strict=True))
    return Share(name, right, len(scenes))


def _without_shapes(model: Describer) -> list[Share]:
    rng = np.random.default_rng(SEED)
    known = [draw_unknown(rng, IMAGE_SIZE, TRAINED_KINDS[index % len(TRAINED_KINDS)]) for index in range(COUNT)]
    new = [draw_unknown(rng, IMAGE_SIZE, HELD_OUT_KIND) for _ in range(COUNT)]
    groups = (("no shape, of kinds trained on", known), (f"no shape, of a kind not trained on ({HELD_OUT_KIND})", new))
    return [Share(name, model.describe(_images(part)).count(UNKNOWN), COUNT) for name, part in groups]


def _questions(model: Describer) -> list[Share]:
    rng = np.random.default_rng(SEED + 1)
    scenes = [draw_scene(rng, list(KINDS)[index % 3], held_out=True) for index in range(COUNT)]
    images = _images([_clean(scene, rng) for scene in scenes])
    shares = []
    for question in QUESTIONS:
        said = model.describe(images, question)
        right = sum(text == answer(question, scene) for text, scene in zip(said, scenes, strict=True))
        shares.append(Share(f'"{question}"', right, COUNT))
    return shares


def figures_table(shares: list[Share]) -> str:
    """The figures as Markdown."""
    rows = [f"| {share.name} | {share.right} of {share.count} | {share.right / share.count:.1%} |" for share in shares]
    return "\n".join(["| pictures | right | share |", "|---|---|---|", *rows])


def main() -> None:
    """Print the figures of an exported folder."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.describe.evaluate", description=__doc__)
    parser.add_argument("folder", type=Path, help="the exported model")
    parser.add_argument("--image-model", type=Path, help="the small image model, to describe its pictures as well")
    arguments = parser.parse_args()
    print(figures_table(measure(arguments.folder, pictures_of(arguments.image_model))))


def pictures_of(image_model: Path | None) -> tuple[Pixels, list[Scene]] | None:
    """72 pictures of held-out scenes by the image model in the folder, of those that it drew right."""
    if image_model is None:
        return None
    from tools.train.describe.pictures import held_out_scenes, make

    pixels, scenes = make(image_model, held_out_scenes(90, SEED), SEED)
    return pixels[:72], scenes[:72]


if __name__ == "__main__":
    main()
