"""Labels with their scores, as lines of text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypedDict, cast

from genai_cli.content.text import Text
from genai_cli.harmless import one_line
from genai_cli.types import JsonObject


class Label(TypedDict):
    """A label as a record holds it."""

    label: str
    score: float


@dataclass(frozen=True)
class Labels(Text):
    """Labels with scores, best first; the text is a line each."""

    labels: tuple[tuple[str, float], ...] = ()

    @classmethod
    def rank(cls, labels: tuple[tuple[str, float], ...]) -> "Labels":
        """Labels that are ranked already."""
        return cls("\n".join(f"{label}\t{score:.4f}" for label, score in labels), labels=labels)

    def facts(self) -> JsonObject:
        """All labels, and the best one on its own."""
        labels = [{"label": label, "score": round(score, 6)} for label, score in self.labels]
        return {**labels[0], "labels": labels}

    @classmethod
    def lines(cls, record: Mapping[str, object], title: str | None) -> Iterator[str]:
        end = "" if title is None else f"\t{one_line(title)}"
        for label in list_labels(record):
            yield f"{one_line(label['label'])}\t{label['score']:.4f}{end}"

    @classmethod
    def count_cells(cls, record: Mapping[str, object]) -> int:
        return len(list_labels(record))

    @classmethod
    def columns(cls, count: int) -> list[str]:
        """label, score, label_2, score_2, and so on."""
        numbers = ["", *(f"_{number}" for number in range(2, count + 1))]
        return [f"{name}{number}" for number in numbers for name in ("label", "score")]

    @classmethod
    def cells(cls, record: Mapping[str, object], count: int) -> list[object]:
        pairs: list[tuple[object, object]] = [(pair["label"], pair["score"]) for pair in list_labels(record)]
        filled = (pairs + [(None, None)] * count)[:count]
        return [value for pair in filled for value in pair]


def list_labels(record: Mapping[str, object]) -> list[Label]:
    """The labels in a record; none where nothing was made."""
    return cast(list[Label], record.get("labels", []))
