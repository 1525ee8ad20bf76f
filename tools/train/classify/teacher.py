"""Bag-of-n-grams teachers: logistic regression on naive-Bayes log-count ratios (Wang and Manning, ACL 2012)."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from tools.train.classify.data import Sentence


def word_ngrams(text: str, longest: int = 3) -> set[str]:
    """The distinct word n-grams of a text, 1 to `longest` words each. Punctuation marks count as words."""
    words = re.findall(r"[a-z0-9']+|[^\sa-z0-9']", text.lower())
    return {" ".join(words[i : i + n]) for n in range(1, longest + 1) for i in range(len(words) - n + 1)}


def letter_ngrams(text: str, lengths: range = range(3, 7)) -> set[str]:
    """The distinct pieces of 3 to 6 letters within the words of a text, with marked ends: stems and endings."""
    words = {f"<{word}>" for word in re.findall(r"[a-z0-9']+", text.lower())}
    return {word[i : i + n] for word in words for n in lengths for i in range(len(word) - n + 1)}


class NgramTeacher:
    """Log-odds of POSITIVE of a text from its n-grams of one kind."""

    def __init__(self, sentences: list[Sentence], ngrams: Callable[[str], set[str]], penalty: float = 0.15) -> None:
        self._ngrams = ngrams
        counts: dict[str, int] = {}
        for sentence in sentences:
            for ngram in ngrams(sentence.text):
                counts[ngram] = counts.get(ngram, 0) + 1
        self._index = {ngram: i for i, ngram in enumerate(n for n, count in counts.items() if count > 1)}
        matrix = self._matrix([sentence.text for sentence in sentences])
        labels = np.array([sentence.label for sentence in sentences], dtype=np.float64)
        self._ratio = _log_count_ratio(matrix, labels)
        self._weights, self._bias = _fit(matrix.multiply(self._ratio).tocsr(), labels, penalty)

    def log_odds(self, texts: list[str]) -> NDArray[np.float64]:
        """Log-odds of POSITIVE of each text, shape (texts,)."""
        scores = self._matrix(texts).multiply(self._ratio).tocsr() @ self._weights + self._bias
        return np.asarray(scores, dtype=np.float64)

    def _matrix(self, texts: list[str]) -> csr_matrix:
        """Presence of each known n-gram, each text scaled to unit length; shape (texts, n-grams)."""
        rows, columns, values = [], [], []
        for row, text in enumerate(texts):
            known = [self._index[ngram] for ngram in self._ngrams(text) if ngram in self._index]
            rows += [row] * len(known)
            columns += known
            values += [max(len(known), 1) ** -0.5] * len(known)
        return csr_matrix((values, (rows, columns)), shape=(len(texts), len(self._index)))


def _log_count_ratio(matrix: csr_matrix, labels: NDArray[np.float64], smoothing: float = 1.0) -> NDArray[np.float64]:
    present = (matrix > 0).astype(np.float64)
    positive, negative = (np.asarray(present[labels == k].sum(axis=0)).ravel() + smoothing for k in (1, 0))
    return np.log(positive / positive.sum()) - np.log(negative / negative.sum())


def _fit(matrix: csr_matrix, labels: NDArray[np.float64], penalty: float) -> tuple[NDArray[np.float64], float]:
    """L2-penalised logistic regression: (weights, bias)."""
    signs = 2.0 * labels - 1.0

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, bias = parameters[:-1], parameters[-1]
        margins = signs * (matrix @ weights + bias)
        slopes = -signs / (1.0 + np.exp(margins))
        value = np.logaddexp(0.0, -margins).sum() + 0.5 * penalty * weights @ weights
        return value, np.append(matrix.T @ slopes + penalty * weights, slopes.sum())

    found = minimize(loss, np.zeros(matrix.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return found.x[:-1], float(found.x[-1])


class FoldTeachers:
    """A word and a letter teacher per fold, trained on all other folds. So none judges its own training data."""

    def __init__(self, sentences: list[Sentence], folds: int = 5) -> None:
        self.folds = [sentences[fold::folds] for fold in range(folds)]
        self._teachers: list[list[NgramTeacher]] = []
        for fold in self.folds:
            others = [s for other in self.folds if other is not fold for s in other]
            self._teachers.append([NgramTeacher(others, ngrams) for ngrams in (word_ngrams, letter_ngrams)])

    def probabilities(self, fold: int, texts: list[str]) -> NDArray[np.float64]:
        """P(POSITIVE), by the mean log-odds, of texts made from sentences of `fold`; shape (texts,)."""
        scores = np.mean([teacher.log_odds(texts) for teacher in self._teachers[fold]], axis=0)
        return np.asarray(1.0 / (1.0 + np.exp(-scores)), dtype=np.float64)
