"""Measure an exported model on scenes that nothing was trained on: `python -m tools.train.detect.evaluate FOLDER`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tools.train.detect.precision import Detected, Truth, average_precision, overlaps
from tools.train.detect.scenes import MOST, SIDE, Drawn, draw_scene
from tools.train.shared.degraded import degrade
from tools.train.shared.unknown import HELD_OUT_KIND, TRAINED_KINDS, draw_unknown

COUNT = 400
SEED = 88_000_000
BATCH_SIZE = 25
THRESHOLD = 0.5


@dataclass(frozen=True)
class Figures:
    """Average precision by the kind of picture, and the share of scenes with exactly the right objects."""

    precision: dict[str, float]
    strict_precision: float
    """the mean over overlaps of 0.50 to 0.95, as COCO takes it, on clean scenes"""
    exact: float
    by_count: dict[int, float]
    false_alarms: dict[str, float]


class Detector:
    """An exported model with its processor, in float32 on the CPU."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoImageProcessor, AutoModelForObjectDetection

        self._processor = AutoImageProcessor.from_pretrained(folder)
        self._model = AutoModelForObjectDetection.from_pretrained(folder, dtype=torch.float32).eval()

    def detect(self, images: Sequence[Image.Image], threshold: float = 0.0) -> list[Detected]:
        """The objects of each picture whose score is above the threshold, boxes in pixels."""
        import torch

        found: list[Detected] = []
        for start in range(0, len(images), BATCH_SIZE):
            part = list(images[start : start + BATCH_SIZE])
            inputs = self._processor(images=part, return_tensors="pt")
            with torch.inference_mode():
                output = self._model(pixel_values=inputs["pixel_values"])
            sizes = [(image.height, image.width) for image in part]
            for one in self._processor.post_process_object_detection(output, threshold, sizes):
                found.append(
                    Detected(one["boxes"].double().numpy(), one["labels"].numpy(), one["scores"].double().numpy())
                )
        return found


def truth_of(drawn: Drawn) -> Truth:
    """A drawn scene's boxes with corners, in pixels."""
    centre, half = drawn.boxes[:, :2] * SIDE, drawn.boxes[:, 2:] * SIDE / 2
    return Truth(np.concatenate([centre - half, centre + half], 1).astype(np.float64), drawn.labels)


def is_exact(found: Detected, truth: Truth) -> bool:
    """Whether the found objects are those of the truth: as many, each with its label and an overlap of 0.5."""
    kept = found.scores >= THRESHOLD
    boxes, labels = found.boxes[kept], found.labels[kept]
    if len(boxes) != len(truth.boxes):
        return False
    right = (overlaps(boxes, truth.boxes) >= 0.5) & (labels[:, None] == truth.labels[None])
    return bool((right.sum(0) == 1).all() and (right.sum(1) == 1).all())


def measure(folder: Path, count: int = COUNT) -> Figures:
    """Measure on clean and on degraded scenes of one to four objects, and on pictures without any."""
    model, rng = Detector(folder), np.random.default_rng(SEED)
    scenes = [draw_scene(rng, 1 + index % MOST) for index in range(count)]
    truths = [truth_of(scene) for scene in scenes]
    clean = model.detect([Image.fromarray(scene.pixels) for scene in scenes])
    worse = model.detect([Image.fromarray(degrade(scene.pixels, rng)) for scene in scenes])
    right = [is_exact(*pair) for pair in zip(clean, truths, strict=True)]
    sizes = [len(truth.labels) for truth in truths]
    levels = np.arange(0.5, 0.951, 0.05)
    return Figures(
        {"as drawn": average_precision(clean, truths), "blurred, noisy, compressed": average_precision(worse, truths)},
        float(np.mean([average_precision(clean, truths, level) for level in levels])),
        float(np.mean(right)),
        {n: float(np.mean([r for r, s in zip(right, sizes, strict=True) if s == n])) for n in sorted(set(sizes))},
        _false_alarms(model, rng, count // 2),
    )


def _false_alarms(model: Detector, rng: np.random.Generator, count: int) -> dict[str, float]:
    """The share of pictures without any shape in which something is found at THRESHOLD."""
    known = [draw_unknown(rng, SIDE, TRAINED_KINDS[index % len(TRAINED_KINDS)]) for index in range(count)]
    new = [draw_unknown(rng, SIDE, HELD_OUT_KIND) for _ in range(count)]
    groups = {"kinds trained on": known, f"a kind not trained on ({HELD_OUT_KIND})": new}
    alarms = {}
    for name, part in groups.items():
        found = model.detect([Image.fromarray(pixels) for pixels in part], THRESHOLD)
        alarms[name] = float(np.mean([len(one.labels) > 0 for one in found]))
    return alarms


def figures_table(figures: Figures) -> str:
    """The figures as Markdown."""
    rows = [
        f"| AP at IoU 0.5, {COUNT} scenes of one to four objects, {n} | {v:.3f} |" for n, v in figures.precision.items()
    ]
    rows.append(f"| AP at IoU 0.50 to 0.95, as drawn | {figures.strict_precision:.3f} |")
    rows.append(f"| scenes with exactly the right objects at a threshold of {THRESHOLD} | {figures.exact:.1%} |")
    rows += [f"| of these: scenes of {n} | {v:.1%} |" for n, v in figures.by_count.items()]
    rows += [f"| something found in pictures without shapes, {n} | {v:.1%} |" for n, v in figures.false_alarms.items()]
    return "\n".join(["| figure | measured |", "|---|---|", *rows])


def main() -> None:
    """Print the figures of an exported folder."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.detect.evaluate", description=__doc__)
    parser.add_argument("folder", type=Path, help="the exported model")
    print(figures_table(measure(parser.parse_args().folder)))


if __name__ == "__main__":
    main()
