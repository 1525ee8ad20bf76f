"""What a model says of a picture."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from genai_cli.content.text import Text
from genai_cli.errors import ResultError
from genai_cli.harmless import one_line


@dataclass(frozen=True)
class Description(Text):
    """A text about a picture: printed, and a file where one is named. Of several pictures, a line each."""

    written: ClassVar[bool] = False
    apart: ClassVar[bool] = False

    def check(self) -> None:
        """Raise ResultError where the model said nothing."""
        if not self.text.strip():
            raise ResultError("the model said nothing of the picture", hint="try another picture, or another model")

    @classmethod
    def lines(cls, record: Mapping[str, object], title: str | None) -> Iterator[str]:
        """The text as it is; of several, on one line with the picture's name behind it."""
        text = str(record["text"])
        yield text if title is None else f"{one_line(text)}\t{one_line(title)}"

    @classmethod
    def columns(cls, count: int) -> list[str]:
        del count
        return ["description"]

    @classmethod
    def cells(cls, record: Mapping[str, object], count: int) -> list[object]:
        del count
        return [record.get("text")]
