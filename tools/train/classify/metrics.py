"""Figures of a two-label classifier, from its P(POSITIVE) and the labels."""

from __future__ import annotations

from collections.abc import Sequence


def accuracy(probabilities: Sequence[float], labels: Sequence[int]) -> float:
    """Share of texts whose more likely label is correct."""
    _check(probabilities, labels)
    return sum((p >= 0.5) == bool(y) for p, y in zip(probabilities, labels, strict=True)) / len(labels)


def expected_calibration_error(probabilities: Sequence[float], labels: Sequence[int], bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over equal bins of confidence from 0.5 to 1 (Guo et al., ICML 2017)."""
    _check(probabilities, labels)
    gaps = [0.0] * bins
    for p, y in zip(probabilities, labels, strict=True):
        confidence = max(p, 1.0 - p)
        bin_ = min(bins - 1, int((confidence - 0.5) * 2 * bins))
        gaps[bin_] += confidence - ((p >= 0.5) == bool(y))
    return sum(abs(gap) for gap in gaps) / len(labels)


def _check(probabilities: Sequence[float], labels: Sequence[int]) -> None:
    if not labels:
        raise ValueError("no labels to measure against")
    if len(probabilities) != len(labels):
        raise ValueError(f"{len(probabilities)} probabilities for {len(labels)} labels")
