"""Answers in pieces: texts as server-sent events, as OpenAI streams them, and sound as plain samples.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from genai_cli.errors import GenaiError
from genai_cli.events import SoundPiece, TextPiece
from genai_cli.request.openai_rows import Answer
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from soxr import ResampleStream

END = b"data: [DONE]\n\n"


@dataclass
class Chunks:
    """The chunks of one answer, for a conversation or for a text."""

    media_type: ClassVar[str] = "text/event-stream"

    is_chat: bool
    with_usage: bool
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))
    has_begun: bool = False
    model: str = ""

    def show_piece(self, piece: TextPiece | SoundPiece) -> bytes:
        """The next piece of the text."""
        text = piece.text if isinstance(piece, TextPiece) else ""
        delta = {"role": "assistant", "content": text} if not self.has_begun else {"content": text}
        self.has_begun = True
        return self.show([self.build_choice(delta, text, None)])

    def show_end(self, answer: Answer) -> Iterator[bytes]:
        """Why the text ended, and what was used if it was asked for."""
        assert isinstance(answer, dict)
        choice = answer["choices"][0]
        yield self.show([self.build_choice({}, "", choice["finish_reason"])])
        if self.with_usage:
            yield self.show([], usage=answer.get("usage"))
        yield END

    def show_error(self, error: Exception) -> bytes:
        """What went wrong in the middle."""
        message = error.message if isinstance(error, GenaiError) else "the answer was given up"
        return encode({"error": {"message": message, "type": "server_error", "param": None, "code": None}})

    def build_choice(self, delta: JsonObject, text: str, finish_reason: str | None) -> JsonObject:
        """The one choice of a chunk."""
        said: JsonObject = {"delta": delta} if self.is_chat else {"text": text}
        return {"index": 0, **said, "logprobs": None, "finish_reason": finish_reason}

    def show(self, choices: list[JsonObject], **more: object) -> bytes:
        """A chunk as an event."""
        prefix, name = ("chatcmpl", "chat.completion.chunk") if self.is_chat else ("cmpl", "text_completion")
        head = {"id": f"{prefix}-{self.id}", "object": name, "created": self.created, "model": self.model}
        return encode({**head, "choices": choices, **more})


@dataclass
class Samples:
    """The samples of one sound, of one channel in 16 bits, `rate` a second."""

    rate: int
    resampler: "ResampleStream | None" = None

    @property
    def media_type(self) -> str:
        """What is sent: nothing in the samples themselves says how many a second they are."""
        return f"audio/pcm;rate={self.rate}"

    def show_piece(self, piece: TextPiece | SoundPiece) -> bytes:
        """The next samples."""
        import numpy
        import soxr

        if not isinstance(piece, SoundPiece):
            return b""
        if self.resampler is None:
            self.resampler = soxr.ResampleStream(piece.sampling_rate, self.rate, 1, dtype="int16")
        samples = self.resampler.resample_chunk(numpy.frombuffer(piece.samples, "<i2").astype(numpy.int16))
        return bytes(samples.astype("<i2").tobytes())

    def show_end(self, _answer: Answer) -> Iterator[bytes]:
        """The samples that were held back."""
        import numpy

        if self.resampler is not None:
            rest = self.resampler.resample_chunk(numpy.zeros(0, numpy.int16), last=True)
            yield rest.astype("<i2").tobytes()

    def show_error(self, error: Exception) -> bytes:
        """Nothing can be said among samples: the answer ends as one that is cut off, by the error that is raised."""
        raise error


def encode(value: JsonObject) -> bytes:
    """An object as an event."""
    return f"data: {json.dumps(value)}\n\n".encode()
