"""The built-in models that describe, detect and embed, loaded as their layouts are loaded, do what their cards say."""

import json

import numpy as np
import pytest
from conftest import RunMain
from PIL import Image

from genai_cli.modality.modality import TINY
from tools.train.describe.captions import UNKNOWN, read_caption
from tools.train.describe.evaluate import Describer
from tools.train.detect.evaluate import Detector, truth_of
from tools.train.detect.precision import average_precision
from tools.train.detect.scenes import draw_scene
from tools.train.image.drawing import draw
from tools.train.image.scenes import COLUMN, ROW, Item, Scene


def picture(scene: Scene, side: int = 64) -> Image.Image:
    """The scene as the recipe draws it, made `side` pixels wide and high."""
    pixels = draw(scene, np.random.default_rng(0))
    return Image.fromarray(((pixels + 1) * 127.5).round().astype(np.uint8)).resize((side, side))


SCENES = (
    Scene((Item("star", "purple"),), "small", "left", "yellow"),
    Scene((Item("ring", "cyan"),), "large", "centre", "black"),
    Scene((Item("heart", "green"), Item("heart", "green")), "small", ROW, "white"),
    Scene((Item("cross", "red"), Item("circle", "orange")), "large", COLUMN, "pink"),
)


@pytest.fixture(scope="module")
def describer() -> Describer:
    """The built-in model that describes."""
    return Describer(TINY / "describe")


@pytest.mark.parametrize("side", [64, 200])
def test_pictures_are_described_at_any_size(describer: Describer, side: int) -> None:
    said = describer.describe([picture(scene, side) for scene in SCENES])
    assert [read_caption(text) for text in said] == list(SCENES)


def test_what_is_no_shape_is_called_so(describer: Describer) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 255, 64)[:, None], (64, 64, 3)).astype(np.uint8)
    assert describer.describe([Image.fromarray(noise), Image.fromarray(ramp)]) == [UNKNOWN] * 2


def test_questions_and_beginnings(describer: Describer) -> None:
    star = [picture(SCENES[0])]
    assert describer.describe(star, "What colour is the background?") == ["yellow"]
    assert describer.describe(star, "how many shapes are there?") == ["one"]
    begun = describer.describe(star, "a picture of")[0]
    assert read_caption(f"a picture of {begun}") == SCENES[0]


def test_objects_are_found_where_they_are() -> None:
    rng = np.random.default_rng(11)
    scenes = [draw_scene(rng, 1 + index % 4) for index in range(40)]
    found = Detector(TINY / "detect").detect([Image.fromarray(scene.pixels) for scene in scenes])
    assert average_precision(found, [truth_of(scene) for scene in scenes]) > 0.93


@pytest.mark.parametrize("side", [64, 200])
def test_the_command_finds_a_shape(run_main: RunMain, side: int) -> None:
    picture(SCENES[0], side).save("star.png")
    done = run_main("detect", "star.png", "-m", "tiny")
    assert done.code == 0, done.stderr
    label, score, *box = done.lines[0].split("\t")
    x, _, width, height = map(float, box)
    assert (len(done.lines), label) == (1, "purple star")
    assert float(score) > 0.5
    assert x + width / 2 < side / 2  # on the left
    assert width == pytest.approx(height, rel=0.3)
    assert 0.15 < width / side < 0.6


def test_sentences_of_one_meaning_are_near() -> None:
    from tools.train.embed.teacher import encode

    texts = [
        "A cat sits on the mat.",
        "There is a kitten on the rug.",
        "The stock market fell on Monday.",
        "She is playing the violin.",
        "He listens to a song.",
    ]
    vectors = encode(TINY / "embed", texts)
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, 0)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert likeness[0].argmax() == 1
    assert likeness[3].argmax() == 4
    assert likeness[0, 2] < 0.3
    assert vectors[1] == pytest.approx(encode(TINY / "embed", texts[1:2])[0], abs=1e-5)


def test_the_layout_of_sentence_transformers_is_whole() -> None:
    folder = TINY / "embed"
    modules = json.loads((folder / "modules.json").read_text())
    assert [module["type"].rsplit(".")[-1] for module in modules] == ["Transformer", "Pooling", "Normalize"]
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    width = json.loads((folder / "config.json").read_text())["hidden_size"]
    assert (pooling["word_embedding_dimension"], pooling["pooling_mode_mean_tokens"]) == (width, True)
