"""Texts in pieces, as server-sent events: the chunks of OpenAI's streams.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from genai_cli.errors import GenaiError
from genai_cli.types import JsonObject

END = b"data: [DONE]\n\n"


@dataclass
class Chunks:
    """The chunks of one answer, for a conversation or for a text."""

    is_chat: bool
    with_usage: bool
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))
    has_begun: bool = False
    model: str = ""

    def show_piece(self, text: str) -> bytes:
        """The next piece of the text."""
        delta = {"role": "assistant", "content": text} if not self.has_begun else {"content": text}
        self.has_begun = True
        return self.show([self.build_choice(delta, text, None)])

    def show_end(self, answer: JsonObject) -> Iterator[bytes]:
        """Why the text ended, and what was used if it was asked for."""
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


def encode(value: JsonObject) -> bytes:
    """An object as an event."""
    return f"data: {json.dumps(value)}\n\n".encode()
