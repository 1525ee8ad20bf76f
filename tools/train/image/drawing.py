"""Scenes as pixels: exact signed distances of the shapes in tables, and anti-aliased drawings made from them."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.train.image.scenes import COLUMN, PALETTE, ROW, SHAPES, Scene

IMAGE_SIZE = 64
TABLE_EXTENT = 1.25
TABLE_STEPS = 801
# Half-extents and distances are fractions of the picture's width.
RADIUS = {(1, "small"): 0.17, (1, "large"): 0.29, (2, "small"): 0.14, (2, "large"): 0.21}
OFFSET = {(1, "small"): 0.24, (1, "large"): 0.17, (2, "small"): 0.24, (2, "large"): 0.24}
DIRECTIONS = {"centre": (0, 0), "left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}
RADIUS_JITTER = 0.05
CENTRE_JITTER = 0.02

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Placed:
    """The position of an object: centre and half-extent as fractions of the picture's width."""

    x: float
    y: float
    radius: float


def _outlines() -> dict[str, FloatArray]:
    """The polygons of six shapes in a box of half-extent 1, y downwards; each is (points, 2)."""
    angles = np.arange(10) * np.pi / 5
    reach = np.where(np.arange(10) % 2 == 0, 1.0, 0.45)
    star = np.stack([reach * np.sin(angles), -reach * np.cos(angles)], 1)
    t = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    curve = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    heart = np.stack([np.sin(t) ** 3, -curve / 16], 1)
    arm = 0.34
    corner = [(-arm, -1), (arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm)]
    cross = np.array(corner + [(-x, -y) for x, y in corner])
    polygons = {
        "square": np.array([(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)]),
        "triangle": np.array([(0.0, -0.9), (1.0, 0.85), (-1.0, 0.85)]),
        "star": star,
        "heart": heart,
        "diamond": np.array([(0.0, -1.0), (0.8, 0.0), (0.0, 1.0), (-0.8, 0.0)]),
        "cross": cross,
    }
    return {name: _centred(points) for name, points in polygons.items()}


def _centred(points: NDArray[np.float64]) -> FloatArray:
    middle = (points.min(0) + points.max(0)) / 2
    return (points - middle).astype(np.float32)


def _polygon_distance(points: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Signed distance to a closed polygon, negative inside (even-odd rule)."""
    nearest = np.full(x.shape, np.inf, np.float32)
    inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(points, np.roll(points, -1, 0), strict=True):
        dx, dy = bx - ax, by - ay
        along = np.clip(((x - ax) * dx + (y - ay) * dy) / max(dx * dx + dy * dy, 1e-12), 0, 1)
        nearest = np.minimum(nearest, np.hypot(x - ax - along * dx, y - ay - along * dy))
        if ay != by:
            inside ^= ((ay > y) != (by > y)) & (x < ax + (y - ay) * dx / dy)
    return np.where(inside, -nearest, nearest)


@functools.cache
def distance_table(shape: str) -> FloatArray:
    """Signed distance of a shape of half-extent 1 on a square grid of TABLE_STEPS points over +-TABLE_EXTENT."""
    axis = np.linspace(-TABLE_EXTENT, TABLE_EXTENT, TABLE_STEPS, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    if shape == "circle":
        return np.hypot(x, y) - np.float32(0.95)
    if shape == "ring":
        return np.abs(np.hypot(x, y) - np.float32(0.73)) - np.float32(0.25)
    return _polygon_distance(_outlines()[shape], x, y)


def _table_index(centre: float, radius: float, size: int) -> NDArray[np.int64]:
    units = ((np.arange(size) + 0.5) / size - centre) / radius
    steps = np.rint((units + TABLE_EXTENT) / (2 * TABLE_EXTENT) * (TABLE_STEPS - 1))
    return np.clip(steps, 0, TABLE_STEPS - 1).astype(np.int64)


def coverage(shape: str, placed: Placed, size: int = IMAGE_SIZE) -> FloatArray:
    """How much of each pixel the shape covers, (size, size) in 0..1."""
    rows = _table_index(placed.y, placed.radius, size)
    columns = _table_index(placed.x, placed.radius, size)
    distance = distance_table(shape)[np.ix_(rows, columns)]
    return np.clip(0.5 - distance * np.float32(placed.radius * size), 0, 1)


def place_items(scene: Scene, rng: np.random.Generator) -> tuple[Placed, ...]:
    """The positions of the objects of a scene, with a little jitter."""
    key = (len(scene.items), scene.size)
    if len(scene.items) == 1:
        directions: tuple[tuple[int, int], ...] = (DIRECTIONS[scene.place],)
    else:
        directions = {ROW: ((-1, 0), (1, 0)), COLUMN: ((0, -1), (0, 1))}[scene.place]
    placed = []
    for dx, dy in directions:
        jx, jy = rng.uniform(-CENTRE_JITTER, CENTRE_JITTER, 2)
        radius = RADIUS[key] * (1 + rng.uniform(-RADIUS_JITTER, RADIUS_JITTER))
        placed.append(Placed(0.5 + dx * OFFSET[key] + jx, 0.5 + dy * OFFSET[key] + jy, radius))
    return tuple(placed)


def draw(scene: Scene, rng: np.random.Generator) -> FloatArray:
    """The picture of a scene, (64, 64, 3) in -1..1."""
    picture = np.empty((IMAGE_SIZE, IMAGE_SIZE, 3), np.float32)
    picture[:] = PALETTE[scene.background]
    for item, placed in zip(scene.items, place_items(scene, rng), strict=True):
        cover = coverage(item.shape, placed)[..., None]
        picture += cover * (np.array(PALETTE[item.colour], np.float32) - picture)
    return picture / np.float32(127.5) - 1


def draw_batch(scenes: list[Scene], rng: np.random.Generator) -> FloatArray:
    """The pictures of scenes as (batch, 3, 64, 64) in -1..1."""
    return np.ascontiguousarray(np.stack([draw(scene, rng) for scene in scenes]).transpose(0, 3, 1, 2))


def warm_tables() -> None:
    """Compute every shape's table now instead of at first use."""
    for shape in SHAPES:
        distance_table(shape)
