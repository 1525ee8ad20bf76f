"""Pictures without any shape of the small world: noise, gradients, textures, confetti, letters, mosaics."""

from __future__ import annotations

import string

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Pixels = NDArray[np.uint8]
TRAINED_KINDS = ("plain", "noise", "gradient", "clouds", "landscape", "stripes", "confetti", "scribble", "letters")
HELD_OUT_KIND = "mosaic"


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
    return red, green, blue


def _plain(rng: np.random.Generator, side: int) -> Image.Image:
    return Image.new("RGB", (side, side), _colour(rng))


def _noise(rng: np.random.Generator, side: int) -> Image.Image:
    channels = 1 if rng.random() < 0.3 else 3
    small = max(2, side // int(rng.integers(1, 9)))
    values = rng.normal(128, rng.uniform(20, 90), (small, small, channels)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(np.broadcast_to(values, (small, small, 3)).copy()).resize((side, side))


def _ramp(rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    y, x = np.mgrid[0:side, 0:side] / side - rng.uniform(0.1, 0.9, 2)[:, None, None]
    if rng.random() < 0.4:
        return np.asarray(np.hypot(x, y) * rng.uniform(0.6, 1.4))
    angle = rng.uniform(0, 2 * np.pi)
    return np.asarray(x * np.cos(angle) + y * np.sin(angle) + 0.5)


def _blend(rng: np.random.Generator, share: NDArray[np.float64]) -> Image.Image:
    first, second = np.array(_colour(rng)), np.array(_colour(rng))
    share = share.clip(0, 1)[..., None]
    return Image.fromarray((first * (1 - share) + second * share).astype(np.uint8))


def _gradient(rng: np.random.Generator, side: int) -> Image.Image:
    return _blend(rng, _ramp(rng, side))


def _fractal(rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    """Clouds in 0..1: noise at several scales."""
    total = np.zeros((side, side))
    for octave in range(1, int(rng.integers(3, 7))):
        small = Image.fromarray(rng.normal(0, 1, (2**octave, 2**octave)).astype(np.float32))
        total += np.asarray(small.resize((side, side), Image.Resampling.BICUBIC)) * rng.uniform(0.5, 0.8) ** octave
    return np.asarray((total - total.min()) / (np.ptp(total) + 1e-6))


def _clouds(rng: np.random.Generator, side: int) -> Image.Image:
    if rng.random() < 0.5:
        return _blend(rng, _fractal(rng, side))
    return Image.fromarray((np.stack([_fractal(rng, side) for _ in range(3)], -1) * 255).astype(np.uint8))


def _landscape(rng: np.random.Generator, side: int) -> Image.Image:
    """Layers with ragged edges, as hills and houses have them, under grain: the nearest to a photograph."""
    picture = np.asarray(_gradient(rng, side)).copy()
    for layer in range(int(rng.integers(1, 5))):
        edge = np.cumsum(rng.normal(0, rng.uniform(0.1, 2.5), side)) + side * (0.25 + 0.2 * layer)
        rows = np.arange(side)[:, None] > edge[None]
        picture[rows] = np.asarray(_clouds(rng, side))[rows]
    grain = rng.normal(0, rng.uniform(0, 18), picture.shape)
    image = Image.fromarray((picture + grain).clip(0, 255).astype(np.uint8))
    return image.rotate(int(rng.choice([0, 0, 90, 180])))


def _stripes(rng: np.random.Generator, side: int) -> Image.Image:
    waves = np.sin(_ramp(rng, side) * rng.uniform(12, 60))
    if rng.random() < 0.5:
        waves = waves * np.sin(_ramp(rng, side) * rng.uniform(12, 60))
    return _blend(rng, waves > 0 if rng.random() < 0.6 else waves / 2 + 0.5)


def _confetti(rng: np.random.Generator, side: int) -> Image.Image:
    image = _plain(rng, side)
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(9, 40))):
        x, y = (int(value) for value in rng.integers(-4, side, 2))
        width, height = (int(value) for value in rng.integers(2, max(4, side // 3), 2))
        box = (x, y, x + width, y + height)
        draw = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        draw(box, fill=_colour(rng))
    return image


def _scribble(rng: np.random.Generator, side: int) -> Image.Image:
    image = _plain(rng, side)
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 8))):
        points = [(int(x), int(y)) for x, y in rng.integers(-5, side + 5, (int(rng.integers(4, 12)), 2))]
        pen.line(points, fill=_colour(rng), width=int(rng.integers(1, 4)))
    return image


def _letters(rng: np.random.Generator, side: int) -> Image.Image:
    image = _plain(rng, side)
    pen = ImageDraw.Draw(image)
    for line in range(int(rng.integers(2, 6))):
        text = "".join(rng.choice(list(string.ascii_letters + " "), int(rng.integers(4, 16))))
        font = ImageFont.load_default(int(rng.integers(side // 9, side // 4)))
        pen.text((int(rng.integers(-4, side // 4)), line * side // 5), text, fill=_colour(rng), font=font)
    return image


def _mosaic(rng: np.random.Generator, side: int) -> Image.Image:
    """Cells around random points (Voronoi). Never trained on: it measures what unseen pictures give."""
    points = rng.uniform(0, side, (int(rng.integers(8, 40)), 2))
    y, x = np.mgrid[0:side, 0:side]
    nearest = np.argmin((y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2, -1)
    colours = rng.integers(0, 256, (len(points), 3)).astype(np.uint8)
    return Image.fromarray(colours[nearest]).filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1))))


_KINDS = {
    "plain": _plain, "noise": _noise, "gradient": _gradient, "clouds": _clouds, "landscape": _landscape,
    "stripes": _stripes, "confetti": _confetti, "scribble": _scribble, "letters": _letters, HELD_OUT_KIND: _mosaic,
}  # fmt: skip


def draw_unknown(rng: np.random.Generator, side: int, kind: str | None = None) -> Pixels:
    """A picture of (side, side, 3) of the given kind, or of one of TRAINED_KINDS."""
    return np.asarray(_KINDS[kind or str(rng.choice(TRAINED_KINDS))](rng, side))
