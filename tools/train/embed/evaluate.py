"""Measure an exported encoder against its teacher on held-out sentences: `python -m tools.train.embed.evaluate`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.train.embed.sentences import collect
from tools.train.embed.teacher import Vectors, encode

SEED = 99_000
PAIRS = 20_000
NEAREST = 10
GROUPS = ("sentences of two novels not trained on", "sentences of reviews", "drawn sentences")


@dataclass(frozen=True)
class Figures:
    """Spearman's rank correlation with the teacher by kind of pairs, and how many nearest neighbours agree."""

    spearman: dict[str, float]
    first_shared: float
    """share of sentences whose nearest by the student is among the teacher's NEAREST"""
    shared: float
    """share of the teacher's NEAREST that are among the student's"""
    plain: list[tuple[str, str, float, float]]
    """(first, second, student's cosine, teacher's cosine) of PLAIN_PAIRS"""


PLAIN_PAIRS = (
    ("A cat sits on the mat.", "There is a kitten on the rug."),
    ("A cat sits on the mat.", "The stock market fell on Monday."),
    ("How do I reset my password?", "I forgot my login and cannot sign in."),
    ("How do I reset my password?", "How do I bake bread?"),
    ("The doctor gave him medicine.", "A nurse treated the patient."),
    ("The doctor gave him medicine.", "The ship left the harbour."),
    ("It is raining heavily today.", "The weather is terrible."),
    ("It is raining heavily today.", "She plays the violin."),
)


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0 on; equal values share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    first = np.cumsum(counts) - counts
    return np.asarray((first + (counts - 1) / 2)[place])


def spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's rank correlation."""
    return float(np.corrcoef(ranks(first), ranks(second))[0, 1])


def _pairs(teacher: Vectors, rng: np.random.Generator) -> NDArray[np.int64]:
    """(pairs, 2) rows: half of them at random, half a sentence with one of its nearest by the teacher."""
    count = len(teacher)
    random = rng.integers(count, size=(PAIRS // 2, 2))
    likeness = teacher @ teacher.T
    np.fill_diagonal(likeness, -2)
    nearest = np.argsort(-likeness, axis=1)[:, :30]
    rows = rng.integers(count, size=PAIRS // 2)
    near = np.stack([rows, nearest[rows, rng.integers(30, size=len(rows))]], 1)
    pairs = np.concatenate([random, near])
    return np.asarray(pairs[pairs[:, 0] != pairs[:, 1]])


def _cosines(vectors: Vectors, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray((vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(1), np.float64)


def measure(folder: Path, teacher_folder: Path, held_out: list[str]) -> Figures:
    """Compare the encoder in `folder` with the teacher on held-out sentences, the three GROUPS one after another."""
    teacher, student = encode(teacher_folder, held_out), encode(folder, held_out)
    rng, third, found = np.random.default_rng(SEED), len(held_out) // 3, {}
    random = rng.integers(len(held_out), size=(PAIRS, 2))
    random = random[random[:, 0] != random[:, 1]]
    found["all held-out pairs, at random"] = spearman(_cosines(student, random), _cosines(teacher, random))
    mixed = _pairs(teacher, rng)
    found["all, half of them near each other"] = spearman(_cosines(student, mixed), _cosines(teacher, mixed))
    for index, name in enumerate(GROUPS):
        part = slice(index * third, (index + 1) * third)
        pairs = _pairs(teacher[part], rng)
        found[f"{name}, half of them near each other"] = spearman(
            _cosines(student[part], pairs), _cosines(teacher[part], pairs)
        )
    nearest = [
        np.argsort(-(v @ v.T - 3 * np.eye(len(v), dtype=np.float32)), axis=1)[:, :NEAREST] for v in (student, teacher)
    ]
    shared = [len(set(ours) & set(theirs)) / NEAREST for ours, theirs in zip(*nearest, strict=True)]
    first = [ours[0] in theirs for ours, theirs in zip(*nearest, strict=True)]
    return Figures(found, float(np.mean(first)), float(np.mean(shared)), _plain(folder, teacher_folder))


def _plain(folder: Path, teacher_folder: Path) -> list[tuple[str, str, float, float]]:
    texts = [text for pair in PLAIN_PAIRS for text in pair]
    student, teacher = encode(folder, texts), encode(teacher_folder, texts)
    cosines = [(vectors[0::2] * vectors[1::2]).sum(1) for vectors in (student, teacher)]
    return [(*pair, float(ours), float(theirs)) for pair, ours, theirs in zip(PLAIN_PAIRS, *cosines, strict=True)]


def figures_table(figures: Figures) -> str:
    """The figures as Markdown."""
    rows = [f"| Spearman with the teacher, {name} | {value:.3f} |" for name, value in figures.spearman.items()]
    rows.append(f"| nearest sentence is among the teacher's {NEAREST} nearest | {figures.first_shared:.1%} |")
    rows.append(f"| the teacher's {NEAREST} nearest that are among its own {NEAREST} | {figures.shared:.1%} |")
    table = ["| figure | measured |", "|---|---|", *rows, "", "| pair | cosine | teacher's |", "|---|---|---|"]
    return "\n".join(table + [f"| {a} / {b} | {ours:.2f} | {theirs:.2f} |" for a, b, ours, theirs in figures.plain])


def main() -> None:
    """Print the figures of an exported folder."""
    parser = argparse.ArgumentParser(prog="python -m tools.train.embed.evaluate", description=__doc__)
    parser.add_argument("folder", type=Path, help="the exported model")
    parser.add_argument("--data", type=Path, required=True, help="folder with books/*.txt and sentiment/*.tsv")
    parser.add_argument("--teacher", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    arguments = parser.parse_args()
    print(figures_table(measure(arguments.folder, arguments.teacher, collect(arguments.data).held_out)))


if __name__ == "__main__":
    main()
