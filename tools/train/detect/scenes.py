"""Scenes of none to four coloured shapes at any place, with their boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.train.image.drawing import TABLE_EXTENT, TABLE_STEPS, distance_table, warm_tables
from tools.train.image.scenes import COLOURS, PALETTE, SHAPES
from tools.train.shared.degraded import degrade
from tools.train.shared.pool import Arrays, draw_pool
from tools.train.shared.unknown import draw_unknown

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float32]
SIDE = 64
MOST = 4
COUNTS = (0.06, 0.22, 0.22, 0.22, 0.28)
"""Shares of scenes of none to four objects."""
UNKNOWN_SHARE = 0.06
RADIUS = (0.1, 0.3)
STRETCH = 0.3
COLOUR_JITTER = 7.0
LABELS = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)


@dataclass(frozen=True)
class Drawn:
    """A picture (SIDE, SIDE, 3), the boxes (objects, 4) as centre and size in shares of it, and the labels' numbers."""

    pixels: Pixels
    boxes: Boxes
    labels: NDArray[np.int64]


def _axis(centre: float, radius: float) -> NDArray[np.int64]:
    units = ((np.arange(SIDE) + 0.5) / SIDE - centre) / radius
    steps = np.rint((units + TABLE_EXTENT) / (2 * TABLE_EXTENT) * (TABLE_STEPS - 1))
    return np.asarray(np.clip(steps, 0, TABLE_STEPS - 1), np.int64)


def _cover(shape: str, x: float, y: float, width: float, height: float) -> NDArray[np.float64]:
    """How much of each pixel a shape covers whose table is stretched to the half-extents width and height."""
    distance = distance_table(shape)[np.ix_(_axis(y, height), _axis(x, width))]
    return np.asarray(np.clip(0.5 - distance * (width * height) ** 0.5 * SIDE, 0, 1))


def _box(cover: NDArray[np.float64]) -> list[float]:
    rows, columns = np.nonzero((cover > 0.5).any(1))[0], np.nonzero((cover > 0.5).any(0))[0]
    left, right, top, bottom = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    return [(left + right) / 2 / SIDE, (top + bottom) / 2 / SIDE, (right - left) / SIDE, (bottom - top) / SIDE]


def _tint(rng: np.random.Generator, colour: str) -> NDArray[np.float64]:
    return np.asarray(np.clip(np.array(PALETTE[colour]) + rng.normal(0, COLOUR_JITTER, 3), 0, 255))


def _clear(box: tuple[float, ...], others: list[tuple[float, ...]]) -> bool:
    x, y, width, height = box
    return all(abs(x - ox) > width + ow + 0.01 or abs(y - oy) > height + oh + 0.01 for ox, oy, ow, oh in others)


def _places(rng: np.random.Generator, count: int) -> list[tuple[float, ...]]:
    """Up to `count` (centre x, y, half-extent x, y) inside the picture that do not overlap."""
    found: list[tuple[float, ...]] = []
    largest = RADIUS[1] if count < 3 else 0.2
    for _ in range(60):
        radius = float(np.exp(rng.uniform(np.log(RADIUS[0]), np.log(largest))))
        stretch = float(np.exp(rng.uniform(-STRETCH, STRETCH) / 2)) if rng.random() < 0.5 else 1.0
        width, height = min(0.48, radius * stretch), min(0.48, radius / stretch)
        place = (float(rng.uniform(width, 1 - width)), float(rng.uniform(height, 1 - height)), width, height)
        if _clear(place, found):
            found.append(place)
        if len(found) == count:
            break
    return found


def draw_scene(rng: np.random.Generator, count: int) -> Drawn:
    """A picture of up to `count` objects; none is an even background or a picture without any shape."""
    if count == 0 and rng.random() < UNKNOWN_SHARE / (UNKNOWN_SHARE + COUNTS[0]):
        return Drawn(draw_unknown(rng, SIDE), np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    behind = str(rng.choice(COLOURS))
    picture = np.empty((SIDE, SIDE, 3))
    picture[:] = _tint(rng, behind)
    boxes, labels = [], []
    for x, y, width, height in _places(rng, count) if count else []:
        colour = str(rng.choice([name for name in COLOURS if name != behind]))
        shape = str(rng.choice(SHAPES))
        cover = _cover(shape, x, y, width, height)
        picture += cover[..., None] * (_tint(rng, colour) - picture)
        boxes.append(_box(cover))
        labels.append(LABELS.index(f"{colour} {shape}"))
    pixels = np.round(picture).astype(np.uint8)
    return Drawn(pixels, np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64))


def draw_part(seed: int, count: int) -> Arrays:
    """`count` examples: pixels (count, SIDE, SIDE, 3), boxes (count, MOST, 4), labels (count, MOST) or -1."""
    rng = np.random.default_rng(seed)
    pixels = np.empty((count, SIDE, SIDE, 3), np.uint8)
    boxes = np.zeros((count, MOST, 4), np.float32)
    labels = np.full((count, MOST), -1, np.int16)
    shares = np.array(COUNTS)
    shares[0] += UNKNOWN_SHARE
    for index in range(count):
        drawn = draw_scene(rng, int(rng.choice(MOST + 1, p=shares / shares.sum())))
        pixels[index] = degrade(drawn.pixels, rng)
        boxes[index, : len(drawn.boxes)] = drawn.boxes
        labels[index, : len(drawn.labels)] = drawn.labels
    return pixels, boxes, labels


def draw_examples(count: int, processes: int, seed: int) -> Arrays:
    """Training examples as draw_part() gives them."""
    warm_tables()
    return draw_pool(draw_part, count, processes, seed)
