"""The evaluations of the models that describe, detect and embed, held against cases whose answer is known."""

import numpy as np
import pytest

from tools.train.describe.captions import QUESTIONS, answer, read_caption, write_caption
from tools.train.detect.evaluate import is_exact, truth_of
from tools.train.detect.precision import Detected, Truth, average_precision
from tools.train.detect.scenes import LABELS, SIDE, draw_scene
from tools.train.embed.evaluate import spearman
from tools.train.image.scenes import COLUMN, Item, Scene, draw_training_scene
from tools.train.shared.degraded import degrade
from tools.train.shared.unknown import HELD_OUT_KIND, TRAINED_KINDS, draw_unknown

STACKED = Scene((Item("star", "red"), Item("ring", "green")), "large", COLUMN, "orange")


def test_a_caption_of_any_form_reads_back_as_its_scene() -> None:
    rng = np.random.default_rng(0)
    forms = set()
    for _ in range(500):
        scene = draw_training_scene(rng)
        caption = write_caption(scene, rng)
        assert read_caption(caption) == scene, caption
        forms.add(caption.split()[0])
    assert forms == {"a", "an", "there", "two"}


@pytest.mark.parametrize(
    "text",
    [
        "no shape that i know",
        "a large red circle in the centre",
        "a large circle in the centre on a blue background",
        "a large red circle somewhere on a blue background",
        "two small red box side by side on a blue background",
    ],
)
def test_what_is_no_caption_reads_back_as_nothing(text: str) -> None:
    assert read_caption(text) is None


def test_a_wrong_caption_is_another_scene() -> None:
    assert read_caption("a red star above a green ring on an orange background") == STACKED
    assert read_caption("a green ring below a red star on an orange background") == STACKED
    assert read_caption("a green ring above a red star on an orange background") != STACKED
    assert [answer(question, STACKED) for question in QUESTIONS] == [
        "orange",
        "red and green",
        "a star and a ring",
        "two",
        "one above the other",
    ]


def _truth(*labels: int) -> Truth:
    boxes = np.array([[10.0 * label, 0, 10.0 * label + 8, 8] for label in labels]).reshape(-1, 4)
    return Truth(boxes, np.array(labels, np.int64))


def _found(truth: Truth, scores: list[float], shift: float = 0.0) -> Detected:
    return Detected(truth.boxes + shift, truth.labels, np.array(scores))


def test_average_precision_by_hand() -> None:
    both = [_truth(1), _truth(1)]
    assert average_precision([_found(both[0], [0.9]), _found(both[1], [0.8])], both) == 1
    assert average_precision([_found(both[0], [0.9], shift=6), _found(both[1], [0.8], shift=6)], both) == 0
    # One of two is found: full precision up to a recall of a half, which is 51 of the 101 levels.
    none = Detected(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))
    assert average_precision([_found(both[0], [0.9]), none], both) == pytest.approx(51 / 101)
    # The second box on the same object is wrong, and so it is worth half if it comes first of two.
    twice = Detected(np.repeat(both[0].boxes, 2, 0), np.array([1, 1]), np.array([0.9, 0.7]))
    assert average_precision([twice, _found(both[1], [0.5])], both) == pytest.approx((51 + 50 * 2 / 3) / 101)
    # A label that is never found counts as much as one that always is.
    assert average_precision([_found(_truth(1), [0.9])], [_truth(1, 3)]) == 0.5
    with pytest.raises(ValueError, match="no objects"):
        average_precision([none], [_truth()])


def test_a_scene_is_exact_only_with_all_of_its_objects() -> None:
    truth = _truth(1, 3)
    assert is_exact(_found(truth, [0.9, 0.9]), truth)
    assert not is_exact(_found(truth, [0.9, 0.4]), truth)
    assert not is_exact(_found(_truth(1, 4), [0.9, 0.9]), truth)
    assert is_exact(_found(_truth(), []), _truth())


@pytest.mark.parametrize("count", [0, 1, 4])
def test_the_boxes_of_a_scene_hold_its_objects(count: int) -> None:
    drawn = draw_scene(np.random.default_rng(4), count)
    assert drawn.pixels.shape == (SIDE, SIDE, 3)
    assert len(drawn.labels) == count
    truth = truth_of(drawn)
    for box, label in zip(truth.boxes, truth.labels, strict=True):
        left, top, right, bottom = (int(value) for value in box)
        inside = drawn.pixels[top:bottom, left:right].astype(int)
        assert np.abs(inside - drawn.pixels[0, 0]).sum(-1).max() > 60, LABELS[label]
    assert (truth.boxes >= 0).all()
    assert (truth.boxes <= SIDE).all()


@pytest.mark.parametrize("kind", [*TRAINED_KINDS, HELD_OUT_KIND])
def test_pictures_without_shapes_are_pictures(kind: str) -> None:
    rng = np.random.default_rng(3)
    pixels = draw_unknown(rng, 64, kind)
    worse = degrade(pixels, rng)
    assert (pixels.shape, worse.shape) == ((64, 64, 3), (64, 64, 3))
    assert (pixels.dtype, worse.dtype) == (np.uint8, np.uint8)


def test_rank_correlation_by_hand() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert spearman(values, values**3) == pytest.approx(1)
    assert spearman(values, -values) == pytest.approx(-1)
    assert spearman(np.array([1.0, 1.0, 2.0]), np.array([3.0, 3.0, 5.0])) == pytest.approx(1)
    assert spearman(values, np.array([1.0, 2.0, 4.0, 3.0])) == pytest.approx(0.8)
