"""Requests that are made from a text, or from a picture in its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from genai_cli.errors import InputError
from genai_cli.request.input import Input
from genai_cli.request.request import PROMPT, PromptRequest, QuantizableRequest, Request
from genai_cli.types import JsonObject


@dataclass(frozen=True, kw_only=True)
class TextOrPictureRequest(PromptRequest, QuantizableRequest):
    """A text, or a picture; a row says `text` or `prompt` for the one, and `picture` for the other."""

    instead: ClassVar[str | None] = "picture"
    synonyms: ClassVar[Mapping[str, str]] = {"text": PROMPT}

    prompt: str = ""
    picture: Input | None = None

    def __post_init__(self) -> None:
        if self.picture is None:
            super().__post_init__()
            return
        if self.prompt:
            raise InputError("a row has a text and a picture", hint="leave one of them out, or make two rows of it")
        if not self.picture.media_type.startswith("image/"):
            raise InputError(f"{self.picture.name} is not a picture")
        Request.__post_init__(self)

    @property
    def title(self) -> str:
        return self.prompt or (self.picture.name if self.picture else self.task)

    def content(self) -> JsonObject:
        found = super().content()
        return found if self.picture is None else {name: value for name, value in found.items() if name != PROMPT}

    def batch_key(self) -> tuple[object, ...]:
        return (*super().batch_key(), self.picture is not None)

    def length(self) -> int:
        return len(self.prompt)
