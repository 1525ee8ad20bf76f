"""What a drawing shows: the attributes of a scene, random scenes, and the held-out ones."""

import hashlib
from dataclasses import dataclass

import numpy as np

SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "cross", "ring")
PALETTE: dict[str, tuple[int, int, int]] = {
    "red": (225, 25, 35),
    "orange": (250, 125, 5),
    "yellow": (255, 225, 30),
    "green": (30, 160, 50),
    "cyan": (0, 200, 220),
    "blue": (30, 60, 220),
    "purple": (130, 40, 170),
    "pink": (255, 130, 190),
    "black": (15, 15, 15),
    "white": (250, 250, 250),
}
COLOURS = tuple(PALETTE)
SIZES = ("small", "large")
POSITIONS = ("centre", "left", "right", "top", "bottom")
ROW, COLUMN = "row", "column"
HELD_OUT_PERCENT = 10


@dataclass(frozen=True)
class Item:
    """One object: its shape and colour."""

    shape: str
    colour: str


@dataclass(frozen=True)
class Scene:
    """One or two objects. `place` is a position for one object, and a row or a column for two."""

    items: tuple[Item, ...]
    size: str
    place: str
    background: str

    @property
    def is_like_pair(self) -> bool:
        """Whether this shows the same object twice."""
        return len(self.items) == 2 and self.items[0] == self.items[1]


def default_background(colour: str) -> str:
    """The background of a prompt that does not name one: white, or black behind a white object."""
    return "black" if colour == "white" else "white"


def is_held_out(scene: Scene) -> bool:
    """Whether the recipe keeps this combination of attributes out of training (one in ten, by its hash)."""
    digest = hashlib.sha256(repr(scene).encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PERCENT


def _background(rng: np.random.Generator, colours: tuple[str, ...]) -> str:
    usual = default_background(colours[0])
    if usual not in colours and rng.random() < 0.15:
        return usual
    return str(rng.choice([name for name in COLOURS if name not in colours]))


def _item(rng: np.random.Generator) -> Item:
    return Item(str(rng.choice(SHAPES)), str(rng.choice(COLOURS)))


def _single(rng: np.random.Generator) -> Scene:
    item = _item(rng)
    place = POSITIONS[0] if rng.random() < 0.1 else str(rng.choice(POSITIONS))
    return Scene((item,), str(rng.choice(SIZES)), place, _background(rng, (item.colour,)))


def _like_pair(rng: np.random.Generator) -> Scene:
    item = _item(rng)
    return Scene((item, item), str(rng.choice(SIZES)), ROW, _background(rng, (item.colour,)))


def _different_pair(rng: np.random.Generator) -> Scene:
    first, second = _item(rng), _item(rng)
    while second.shape == first.shape:
        second = _item(rng)
    place = ROW if rng.random() < 0.5 else COLUMN
    return Scene((first, second), "large", place, _background(rng, (first.colour, second.colour)))


KINDS = {"single": _single, "like pair": _like_pair, "different pair": _different_pair}


def draw_scene(rng: np.random.Generator, kind: str, held_out: bool = False) -> Scene:
    """A random scene of a kind in KINDS, from the training combinations or from the held-out ones."""
    while True:
        scene = KINDS[kind](rng)
        if is_held_out(scene) == held_out:
            return scene


def draw_training_scene(rng: np.random.Generator) -> Scene:
    """A random training scene: mostly one object, sometimes two alike or two different ones."""
    kind = rng.choice(list(KINDS), p=[0.70, 0.18, 0.12])
    return draw_scene(rng, str(kind))
