"""The input of a training step of the classifier."""

from __future__ import annotations

import random

import numpy as np

from tools.train.classify.augment import drop_words, move_clauses, splice
from tools.train.classify.data import Sentence
from tools.train.classify.opinions import OpinionSource
from tools.train.classify.settings import ClassifyRecipe
from tools.train.classify.teacher import FoldTeachers


class BatchSource:
    """Draws texts with their target P(POSITIVE)."""

    def __init__(self, recipe: ClassifyRecipe, reviews: list[Sentence], opinions: OpinionSource, seed: int) -> None:
        self._recipe = recipe
        self._seed = seed
        self._opinions = opinions
        self._teachers = FoldTeachers(reviews)
        self._reviews = [sentence for fold in self._teachers.folds for sentence in fold]
        judged = [
            self._teachers.probabilities(number, [sentence.text for sentence in fold])
            for number, fold in enumerate(self._teachers.folds)
        ]
        hard = np.array([abs(sentence.label - recipe.smoothing) for sentence in self._reviews])
        self._targets = (1 - recipe.teacher_share) * hard + recipe.teacher_share * np.concatenate(judged)

    def draw(self, step: int) -> tuple[list[str], list[float]]:
        """(texts, targets) of step `step`. The same step always gives the same batch."""
        source = random.Random(f"{self._seed} {step}")
        parts = [self._draw_reviews(source), self._draw_splices(source), self._draw_opinions(source)]
        return [text for texts, _ in parts for text in texts], [p for _, targets in parts for p in targets]

    def _draw_reviews(self, source: random.Random) -> tuple[list[str], list[float]]:
        picked = [source.randrange(len(self._reviews)) for _ in range(self._recipe.reviews)]
        texts = [move_clauses(self._reviews[i].text, source) for i in picked]
        share = 2 * self._recipe.dropped_words
        return [drop_words(text, source.random() * share, source) for text in texts], [
            float(self._targets[i]) for i in picked
        ]

    def _draw_splices(self, source: random.Random) -> tuple[list[str], list[float]]:
        fold = source.randrange(len(self._teachers.folds))
        pairs = [source.sample(self._teachers.folds[fold], 2) for _ in range(self._recipe.splices)]
        texts = [splice(first.text, second.text, source) for first, second in pairs]
        return texts, self._teachers.probabilities(fold, texts).tolist()

    def _draw_opinions(self, source: random.Random) -> tuple[list[str], list[float]]:
        drawn = [self._opinions.draw(source) for _ in range(self._recipe.opinions)]
        return [sentence.text for sentence in drawn], [abs(s.label - self._recipe.smoothing / 2) for s in drawn]
