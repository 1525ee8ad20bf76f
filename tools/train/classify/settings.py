"""The settings of the classifier's training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClassifyRecipe:
    """What shapes the training."""

    vocab_size: int = 8000
    width: int = 128
    layers: int = 2
    hidden: int = 256
    heads: int = 4
    dropout: float = 0.2
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    average_decay: float = 0.998
    reviews: int = 64
    """review sentences per step"""
    splices: int = 32
    """spliced review sentences per step; their target is the teacher's probability alone"""
    opinions: int = 32
    """plain opinions per step"""
    dropped_words: float = 0.12
    teacher_share: float = 0.6
    """weight of the teacher's probability in a review sentence's target; the rest is its label"""
    smoothing: float = 0.05
