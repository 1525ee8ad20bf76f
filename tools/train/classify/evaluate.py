"""Measure an exported classifier: `python -m tools.train.classify.evaluate FOLDER --data DIR`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from tools.train.classify.data import PLAIN_CASES, Sentence, read_sentences
from tools.train.classify.metrics import accuracy, expected_calibration_error


@dataclass(frozen=True)
class ClassifyFigures:
    """The measurements of the exported weights."""

    validation_sentences: int
    validation_accuracy: float
    calibration_error: float
    plain_cases: int
    plain_accuracy: float
    plain_mistakes: list[tuple[str, float]]
    """(text, P(POSITIVE)) of each plain case on the wrong side"""


def probabilities(folder: Path, texts: list[str], batch_size: int = 64) -> list[float]:
    """P(POSITIVE) of each text by the exported model, loaded as float32 on the cpu."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    found: list[float] = []
    with torch.inference_mode():
        for start in range(0, len(texts), batch_size):
            inputs = tokenizer(texts[start : start + batch_size], padding=True, truncation=True, return_tensors="pt")
            found += model(**inputs).logits.softmax(-1)[:, 1].tolist()
    return found


def measure(folder: Path, validation: list[Sentence], plain: list[Sentence]) -> ClassifyFigures:
    """Accuracy and calibration on review sentences, and the plain cases."""
    review = probabilities(folder, [sentence.text for sentence in validation])
    simple = probabilities(folder, [sentence.text for sentence in plain])
    labels = [sentence.label for sentence in validation]
    return ClassifyFigures(
        validation_sentences=len(validation),
        validation_accuracy=accuracy(review, labels),
        calibration_error=expected_calibration_error(review, labels),
        plain_cases=len(plain),
        plain_accuracy=accuracy(simple, [sentence.label for sentence in plain]),
        plain_mistakes=[(s.text, p) for s, p in zip(plain, simple, strict=True) if (p >= 0.5) != bool(s.label)],
    )


def main() -> None:
    """Print the figures of an exported folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the exported model")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds validation.tsv")
    arguments = parser.parse_args()
    figures = measure(arguments.folder, read_sentences(arguments.data / "validation.tsv"), read_sentences(PLAIN_CASES))
    print(f"accuracy on {figures.validation_sentences} review sentences: {figures.validation_accuracy:.1%}")
    print(f"expected calibration error: {figures.calibration_error:.3f}")
    print(f"plain cases right: {figures.plain_accuracy:.1%} of {figures.plain_cases}")
    for text, probability in figures.plain_mistakes:
        print(f"  wrong: {text!r} P(POSITIVE) = {probability:.2f}")


if __name__ == "__main__":
    main()
