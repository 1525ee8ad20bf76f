"""Average precision as COCO defines it: 101 recall levels, one match an object, labels apart. Needs only numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Detected:
    """What was found in a picture: boxes (found, 4) with corners, labels and scores."""

    boxes: Boxes
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """What a picture shows: boxes (objects, 4) with corners, and labels."""

    boxes: Boxes
    labels: NDArray[np.int64]


def overlaps(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """Intersection over union of every box with every other, (first, second)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (first, second)]
    return np.asarray(both / np.maximum(areas[0][:, None] + areas[1][None] - both, 1e-12))


def average_precision(found: list[Detected], truths: list[Truth], overlap: float = 0.5) -> float:
    """The mean of the labels' average precision at an overlap, over the labels that occur in the truths."""
    labels = sorted({int(label) for truth in truths for label in truth.labels})
    if not labels:
        raise ValueError("no objects")
    return float(np.mean([_of_label(found, truths, label, overlap) for label in labels]))


def _of_label(found: list[Detected], truths: list[Truth], label: int, overlap: float) -> float:
    scores: list[float] = []
    right: list[bool] = []
    objects = 0
    for one, truth in zip(found, truths, strict=True):
        wanted, given = truth.boxes[truth.labels == label], one.labels == label
        objects += len(wanted)
        order = np.argsort(-one.scores[given], kind="stable")
        scores += one.scores[given][order].tolist()
        right += _match(one.boxes[given][order], wanted, overlap)
    order = np.argsort(-np.array(scores), kind="stable")
    hits = np.cumsum(np.array(right, bool)[order])
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1] if len(hits) else precision
    places = np.searchsorted(hits / objects, RECALLS, side="left")
    return float(np.mean([best[place] if place < len(best) else 0.0 for place in places]))


def _match(boxes: Boxes, wanted: Boxes, overlap: float) -> list[bool]:
    """Whether each box, best score first, takes an object that is still free."""
    shares = overlaps(boxes, wanted)
    right = []
    for row in range(len(boxes)):
        best = int(shares[row].argmax()) if len(wanted) else 0
        hit = len(wanted) > 0 and bool(shares[row, best] >= overlap)
        if hit:
            shares[:, best] = -1
        right.append(hit)
    return right
