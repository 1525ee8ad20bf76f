"""The evaluations of the built-in models tell right from wrong: they are held against cases whose answer is known."""

import json
import math
import re

import numpy as np
import pytest
from PIL import Image

from genai_cli.modality.modality import TINY
from tools.train.audio.measure import measure_sound
from tools.train.audio.synthesis import render
from tools.train.audio.world import SAMPLING_RATE, Piece
from tools.train.classify.metrics import accuracy, expected_calibration_error
from tools.train.image.captions import NOUNS, PLURALS, write_caption
from tools.train.image.drawing import draw
from tools.train.image.measure import measure_picture
from tools.train.image.scenes import SHAPES, Item, Scene, draw_training_scene
from tools.train.text.metrics import bits_per_byte, closed_quote_share, known_word_share


def picture(scene: Scene) -> Image.Image:
    """The scene as the recipe draws it: RGB floats in -1 to 1, shape (height, width, 3)."""
    pixels = np.asarray(draw(scene, np.random.default_rng(0)))
    return Image.fromarray(((pixels + 1) * 127.5).round().astype(np.uint8))


SCENE = Scene((Item("star", "purple"),), "small", "left", "yellow")


@pytest.mark.parametrize(
    ("drawn", "wrong"),
    [
        (SCENE, set()),
        (Scene((Item("star", "purple"),), "small", "left", "pink"), {"background"}),
        (Scene((Item("star", "green"),), "small", "left", "yellow"), {"colour"}),
        (Scene((Item("star", "purple"),), "large", "left", "yellow"), {"size"}),
        (Scene((Item("star", "purple"),), "small", "right", "yellow"), {"place"}),
        (Scene((Item("heart", "purple"),), "small", "left", "yellow"), {"shape"}),
    ],
)
def test_what_a_picture_lacks_is_found(drawn: Scene, wrong: set[str]) -> None:
    measured = measure_picture(picture(drawn), SCENE)
    attributes = ("background", "colour", "size", "place", "shape")
    assert {name for name in attributes if not getattr(measured, name)} == wrong


@pytest.mark.parametrize("shape", ["circle", "square", "triangle", "star", "heart", "diamond", "cross", "ring"])
def test_every_shape_is_told_from_every_other(shape: str) -> None:
    scene = Scene((Item(shape, "red"),), "large", "centre", "white")
    measured = measure_picture(picture(scene), scene)
    assert measured.shape
    assert measured.overlap > 0.85
    for other in {"circle", "square", "triangle", "star", "heart", "diamond", "cross", "ring"} - {shape}:
        asked = Scene((Item(other, "red"),), "large", "centre", "white")
        assert not measure_picture(picture(scene), asked).shape, other


def test_an_empty_picture_has_its_background_and_nothing_else() -> None:
    measured = measure_picture(Image.new("RGB", (64, 64), (255, 255, 0)), SCENE)
    assert not (measured.colour or measured.size or measured.place or measured.shape)


def test_accuracy_and_calibration() -> None:
    assert accuracy([0.9, 0.2, 0.6, 0.4], [1, 0, 0, 1]) == 0.5
    assert expected_calibration_error([0.75] * 4, [1, 1, 1, 0]) == pytest.approx(0)
    assert expected_calibration_error([1.0] * 4, [1, 1, 0, 0]) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="no labels"):
        accuracy([], [])


def test_prose_figures() -> None:
    assert bits_per_byte(8 * math.log(2), "abcd") == pytest.approx(2)
    assert bits_per_byte(math.log(2), "é") == pytest.approx(0.5)
    assert known_word_share(["The cat, the zxqv."], {"the", "cat"}) == 0.75
    assert closed_quote_share(['"Yes."\n\n"No.\n\nend']) == 0.5


@pytest.mark.parametrize(
    "piece",
    [
        Piece("flute", "high", "slow", "minor"),
        Piece("guitar", "low", "fast", "major"),
        Piece("piano", "high", "medium", "major"),
        Piece("bells", "low", "slow", "minor"),
    ],
)
def test_what_a_sound_is_can_be_heard(piece: Piece) -> None:
    sound = render(piece, 0)[: 5 * SAMPLING_RATE]
    heard = measure_sound(sound, SAMPLING_RATE)
    assert (heard.instrument, heard.register, heard.tempo) == (piece.instrument, piece.register, piece.tempo)
    assert not (heard.clipped or heard.silent)


def test_faults_of_a_sound_are_found() -> None:
    tone = np.sin(np.arange(SAMPLING_RATE * 2) / 8).astype(np.float32)
    assert measure_sound(tone * 2, SAMPLING_RATE).clipped
    assert measure_sound(tone * 0, SAMPLING_RATE).silent
    assert measure_sound(np.cos(np.arange(SAMPLING_RATE * 2) / 8).astype(np.float32) / 2, SAMPLING_RATE).clicks


def test_what_the_picture_model_says_that_it_knows_is_what_its_captions_hold() -> None:
    known = json.loads((TINY / "image" / "knowledge.json").read_text())
    nouns = {noun for names in NOUNS.values() for noun in names if " " not in noun}
    assert set(known["subjects"]) == nouns | {PLURALS.get(noun, noun + "s") for noun in nouns} | {"plus"}
    assert all(shape in known["draws"] for shape in SHAPES)
    rng = np.random.default_rng(1)
    captions = [write_caption(draw_training_scene(rng), rng).lower() for _ in range(2000)]
    told = {word for caption in captions for word in re.findall(r"\w+", caption)}
    assert told <= set(known["words"]) | set(known["subjects"])
    assert not set(known["words"]) & {"astronaut", "horse", "cat", "shape"}
