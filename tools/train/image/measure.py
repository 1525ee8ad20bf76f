"""Compares pictures with what was requested: background, colour, size, place and shape. Needs only numpy and PIL."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tools.train.image.drawing import RADIUS, Placed, coverage
from tools.train.image.scenes import COLUMN, PALETTE, SHAPES, Item, Scene

SHAPE_OVERLAP = 0.75
PLACE_OFFSET = 0.09
MIN_CONTRAST = 50.0
MIN_OBJECT_AREA = 0.006

BoolArray = NDArray[np.bool_]
ByteArray = NDArray[np.uint8]


@dataclass(frozen=True)
class Found:
    """An object in a picture: its pixels (height, width), its colour by name, its box as fractions of the width."""

    mask: BoolArray
    colour: str
    box: Placed


@dataclass(frozen=True)
class Measured:
    """Which of the requested attributes a picture has, and the worst overlap of an object with its requested shape."""

    background: bool
    colour: bool
    size: bool
    place: bool
    shape: bool
    overlap: float


def nearest_colour(rgb: NDArray[np.float64]) -> str:
    """The name of the palette colour nearest to an RGB triple in 0..255."""
    return min(PALETTE, key=lambda name: float(np.sum((rgb - np.array(PALETTE[name])) ** 2)))


def background_rgb(pixels: ByteArray) -> NDArray[np.float64]:
    """The median colour of the picture's outermost pixels."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return np.asarray(np.median(border, axis=0), np.float64)


def components(mask: BoolArray) -> list[BoolArray]:
    """The connected parts of a mask (4 neighbours), largest first, without specks."""
    canvas = Image.fromarray(mask.astype(np.uint8) * 255)
    parts = []
    for y, x in zip(*np.nonzero(mask), strict=True):
        if canvas.getpixel((int(x), int(y))) == 255:
            ImageDraw.floodfill(canvas, (int(x), int(y)), 128)
            part = np.asarray(canvas) == 128
            canvas.paste(0, mask=Image.fromarray(part))
            parts.append(part)
    parts = [part for part in parts if part.mean() >= MIN_OBJECT_AREA]
    return sorted(parts, key=lambda part: -int(part.sum()))


def _box(mask: BoolArray) -> Placed:
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    size = mask.shape[1]
    extent = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    x = (columns[0] + columns[-1] + 1) / 2 / size
    y = (rows[0] + rows[-1] + 1) / 2 / size
    return Placed(float(x), float(y), float(extent / 2 / size))


def find_objects(pixels: ByteArray) -> list[Found]:
    """The objects in an RGB picture (height, width, 3), largest first: what differs from the background."""
    values = pixels.astype(np.float64)
    behind = background_rgb(pixels)
    contrast = np.linalg.norm(values - behind, axis=2)
    found = []
    for part in components(contrast > MIN_CONTRAST):
        rgb = np.median(values[part], axis=0)
        # An edge pixel belongs to the object if it is nearer to the object's colour than to the background's.
        inside = part & (np.linalg.norm(values - rgb, axis=2) < contrast)
        for mask in components(inside):
            found.append(Found(mask, nearest_colour(np.median(values[mask], axis=0)), _box(mask)))
    return sorted(found, key=lambda one: -int(one.mask.sum()))


@functools.lru_cache(maxsize=65536)
def _template(shape: str, x: int, y: int, radius: int, size: int) -> BoolArray:
    """A shape as a mask; centre in half pixels, radius in quarter pixels."""
    return coverage(shape, Placed(x / 2 / size, y / 2 / size, radius / 4 / size), size) > 0.5


def shape_overlap(mask: BoolArray, box: Placed, shape: str) -> float:
    """The best intersection over union of a mask with a shape's template, over small shifts and sizes about its box."""
    size = mask.shape[1]
    middle_x, middle_y, radius = round(box.x * size * 2), round(box.y * size * 2), round(box.radius * size * 4)
    best = 0.0
    for grow in range(-2, 5):
        for dx in range(-2, 3):
            for dy in range(-2, 3):
                template = _template(shape, middle_x + dx, middle_y + dy, radius + grow, size)
                overlap = np.count_nonzero(mask & template) / np.count_nonzero(mask | template)
                best = max(best, float(overlap))
    return best


def has_shape(found: Found, shape: str) -> tuple[bool, float]:
    """Whether an object has the requested shape and is nearer to it than to any other, and its overlap with it."""
    overlaps = {name: shape_overlap(found.mask, found.box, name) for name in SHAPES}
    asked = overlaps[shape]
    return asked >= SHAPE_OVERLAP and asked == max(overlaps.values()), asked


def has_size(found: Found, count: int, size: str) -> bool:
    """Whether an object is small or large, for a picture of one object or of two."""
    # Not the middle: some shapes, above all the square, are smaller than their radius.
    limit = 0.9 * (RADIUS[count, "small"] + RADIUS[count, "large"]) / 2
    return (found.box.radius < limit) == (size == "small")


def single_place(found: Found) -> str:
    """The position of an object in the picture: centre, left, right, top or bottom."""
    dx, dy = found.box.x - 0.5, found.box.y - 0.5
    if max(abs(dx), abs(dy)) < PLACE_OFFSET:
        return "centre"
    if abs(dx) > abs(dy):
        return "left" if dx < 0 else "right"
    return "top" if dy < 0 else "bottom"


def _pair_order(found: list[Found], place: str) -> tuple[list[Found], bool]:
    """Two objects in reading order, and whether they form the requested row or column."""
    dx, dy = found[0].box.x - found[1].box.x, found[0].box.y - found[1].box.y
    along = dy if place == COLUMN else dx
    across = dx if place == COLUMN else dy
    ordered = sorted(found, key=lambda one: one.box.y if place == COLUMN else one.box.x)
    return ordered, abs(along) > abs(across)


def measure_picture(image: Image.Image, scene: Scene) -> Measured:
    """Compare a picture with the requested scene. With a wrong number of objects, only the background counts."""
    pixels = np.asarray(image.convert("RGB"))
    background = nearest_colour(background_rgb(pixels)) == scene.background
    found = find_objects(pixels)
    if len(found) != len(scene.items):
        return Measured(background, False, False, False, False, 0.0)
    if len(found) == 2:
        found, in_place = _pair_order(found, scene.place)
    else:
        in_place = single_place(found[0]) == scene.place
    pairs: list[tuple[Found, Item]] = list(zip(found, scene.items, strict=True))
    shapes = [has_shape(one, item.shape) for one, item in pairs]
    return Measured(
        background=background,
        colour=all(one.colour == item.colour for one, item in pairs),
        size=all(has_size(one, len(found), scene.size) for one in found),
        place=in_place,
        shape=all(right for right, _ in shapes),
        overlap=min(overlap for _, overlap in shapes),
    )
