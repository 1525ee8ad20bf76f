"""Pictures by the small image model, and what they show: `python -m tools.train.describe.pictures FOLDER FILE`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from tools.train.describe.examples import Pixels, draw_kind, save_pictures
from tools.train.image.captions import write_caption
from tools.train.image.export import load_pipeline
from tools.train.image.figures import generate
from tools.train.image.measure import measure_picture
from tools.train.image.scenes import KINDS, Scene, draw_scene

PART = 40


def _as_asked(image: Image.Image, scene: Scene) -> bool:
    measured = measure_picture(image, scene)
    return all((measured.background, measured.colour, measured.size, measured.place, measured.shape))


def make(folder: Path, scenes: list[Scene], seed: int) -> tuple[Pixels, list[Scene]]:
    """Pictures (count, 64, 64, 3) of the scenes by the image model in `folder`, without those that show another."""
    rng = np.random.default_rng(seed)
    images = generate(load_pipeline(folder), [write_caption(scene, rng) for scene in scenes], seed)
    kept = [(image, scene) for image, scene in zip(images, scenes, strict=True) if _as_asked(image, scene)]
    return np.stack([np.asarray(image.convert("RGB")) for image, _ in kept]), [scene for _, scene in kept]


def held_out_scenes(count: int, seed: int) -> list[Scene]:
    """Scenes of all three kinds that nothing was trained on."""
    rng = np.random.default_rng(seed)
    return [draw_scene(rng, list(KINDS)[index % 3], held_out=True) for index in range(count)]


def main() -> None:
    """Make pictures of training scenes for the recipe, part by part, until the count is reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the small image model")
    parser.add_argument("file", type=Path, help="file to write (.npz)")
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    found: list[Pixels] = []
    shown: list[Scene] = []
    while len(shown) < arguments.count:
        seed = arguments.seed + 1000 * (len(found) + 1)
        pixels, scenes = make(arguments.folder, [draw_kind(rng) for _ in range(PART)], seed)
        found.append(pixels)
        shown += scenes
        save_pictures(arguments.file, np.concatenate(found), shown)
        print(f"{len(shown)} of {arguments.count}", flush=True)


if __name__ == "__main__":
    main()
