"""Labels with their scores, as lines of text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, NotRequired, TypedDict, cast

from genai_cli.content.text import Text
from genai_cli.harmless import one_line
from genai_cli.types import JsonObject


class Label(TypedDict):
    """A label as a record holds it. The value of a regression has a label only if the checkpoint names it."""

    label: NotRequired[str]
    score: float


@dataclass(frozen=True)
class Labels(Text):
    """Labels with scores, best first; the text is a line each. A regression's values have no label, or their names."""

    written: ClassVar[bool] = False

    labels: tuple[tuple[str | None, float], ...] = ()
    ranked: bool = True

    @classmethod
    def rank(cls, labels: tuple[tuple[str, float], ...]) -> "Labels":
        """Labels that are ranked already."""
        return cls("\n".join(f"{label}\t{score:.4f}" for label, score in labels), labels=labels)

    @classmethod
    def list_values(cls, values: tuple[tuple[str | None, float], ...]) -> "Labels":
        """The values of a regression in the order of the model's outputs, each with its name if it has one."""
        lines = (f"{name}\t{show(value)}" if name else show(value) for name, value in values)
        return cls("\n".join(lines), labels=values, ranked=False)

    def facts(self) -> JsonObject:
        """All labels, and the best one on its own; of a regression all values, and a single one on its own."""
        labels = [
            {"score": round(score, 6)} if label is None else {"label": label, "score": round(score, 6)}
            for label, score in self.labels
        ]
        first = labels[0] if self.ranked or len(labels) == 1 else {}
        return {**first, "labels": labels, **({} if self.ranked else {"problem_type": "regression"})}

    @classmethod
    def lines(cls, record: Mapping[str, object], title: str | None) -> Iterator[str]:
        end = "" if title is None else f"\t{one_line(title)}"
        is_regression = record.get("problem_type") == "regression"
        for label in list_labels(record):
            score = show(label["score"]) if is_regression else f"{label['score']:.4f}"
            name = [one_line(label["label"])] if "label" in label else []
            yield "\t".join([*name, score]) + end

    @classmethod
    def count_cells(cls, record: Mapping[str, object]) -> int:
        return min(1, len(list_labels(record))) if cls.own_columns(record) else len(list_labels(record))

    @classmethod
    def own_columns(cls, record: Mapping[str, object]) -> list[str]:
        """The labels, where each is to have a column: in the order in which they were given, else by their names."""
        parameters = record.get("parameters")
        asked = parameters if isinstance(parameters, dict) else {}
        if not asked.get("scores"):
            return []
        names = [pair["label"] for pair in list_labels(record) if "label" in pair]
        return [str(label) for label in asked.get("labels") or sorted(names)]

    @classmethod
    def own_cells(cls, record: Mapping[str, object], names: list[str]) -> list[object]:
        scores = {pair.get("label"): pair["score"] for pair in list_labels(record)}
        return [scores.get(name) for name in names]

    @classmethod
    def columns(cls, count: int) -> list[str]:
        """label, score, label_2, score_2, and so on. The cell of a label is empty for a value without a name."""
        numbers = ["", *(f"_{number}" for number in range(2, count + 1))]
        return [f"{name}{number}" for number in numbers for name in ("label", "score")]

    @classmethod
    def cells(cls, record: Mapping[str, object], count: int) -> list[object]:
        pairs: list[tuple[object, object]] = [(pair.get("label"), pair["score"]) for pair in list_labels(record)]
        filled = (pairs + [(None, None)] * count)[:count]
        return [value for pair in filled for value in pair]


def list_labels(record: Mapping[str, object]) -> list[Label]:
    """The labels in a record; none where nothing was made."""
    return cast(list[Label], record.get("labels", []))


def show(value: float) -> str:
    """A value with four decimals, or with four digits where those would all be zeros."""
    return f"{value:.4f}" if value == 0 or abs(value) >= 0.001 else f"{value:.4g}"
