"""Records as the bodies that OpenAI's API answers with, and what the answers of others hold.

https://platform.openai.com/docs/api-reference/batch/request-output
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from genai_cli.errors import ModelError
from genai_cli.types import JsonObject

DATA = "b64_json"  # under which a record carries the bytes of a picture
URL = "url"  # under which it carries their address
LONGEST_NAME = 200  # characters of a reason or a model's name that a server states

# The bodies that the functions below make, as JSON Schema.
WHOLE: JsonObject = {"type": "integer", "minimum": 0}
USAGE: JsonObject = {
    "type": "object",
    "properties": dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), WHOLE),
    "required": ["prompt_tokens", "completion_tokens", "total_tokens"],
}
MESSAGE: JsonObject = {
    "type": "object",
    "properties": {"role": {"const": "assistant"}, "content": {"type": "string"}, "refusal": {"type": "null"}},
    "required": ["role", "content"],
}
IMAGES: JsonObject = {
    "type": "object",
    "properties": {
        "created": WHOLE,
        "data": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    DATA: {"type": "string", "contentEncoding": "base64"},
                    URL: {"type": "string", "format": "uri"},
                },
                "minProperties": 1,
            },
            "minItems": 1,
        },
    },
    "required": ["created", "data"],
}


def describe_choices(object_name: str, said: JsonObject) -> JsonObject:
    """The body around choices that say this, as JSON Schema."""
    choice = {"index": WHOLE, **said, "logprobs": {"type": "null"}, "finish_reason": {"type": ["string", "null"]}}
    properties = {
        "id": {"type": "string"},
        "object": {"const": object_name},
        "created": WHOLE,
        "model": {"type": "string"},
        "choices": {
            "type": "array",
            "items": {"type": "object", "properties": choice, "required": list(choice)},
            "minItems": 1,
        },
    }
    return {"type": "object", "properties": {**properties, "usage": USAGE}, "required": list(properties)}


COMPLETION = describe_choices("text_completion", {"text": {"type": "string"}})
CHAT = describe_choices("chat.completion", {"message": MESSAGE})


@dataclass(frozen=True)
class Said:
    """The text of an answer, why it ended, and the tokens that were read and made, where the server counts them."""

    text: str
    finish_reason: str | None = None
    tokens: Mapping[str, int] | None = None


def answer_images(records: list[JsonObject]) -> JsonObject:
    """Pictures, as /v1/images/generations answers them."""
    return {
        "created": read_time(records[0]),
        "data": [{name: record[name] for name in (DATA, URL) if name in record} for record in records],
    }


def answer_completions(records: list[JsonObject]) -> JsonObject:
    """Texts, as /v1/completions answers them."""
    choices = [build_choice(index, record, {"text": record["text"]}) for index, record in enumerate(records)]
    return build_answer("text_completion", "cmpl", records, choices)


def answer_chat(records: list[JsonObject]) -> JsonObject:
    """Messages, as /v1/chat/completions answers them."""
    choices = []
    for index, record in enumerate(records):
        message = {"role": "assistant", "content": record["text"], "refusal": None}
        choices.append(build_choice(index, record, {"message": message}))
    return build_answer("chat.completion", "chatcmpl", records, choices)


def build_choice(index: int, record: JsonObject, said: JsonObject) -> JsonObject:
    """One of the texts that answer a request."""
    return {"index": index, **said, "logprobs": None, "finish_reason": record.get("finish_reason")}


def build_answer(object_name: str, prefix: str, records: list[JsonObject], choices: list[JsonObject]) -> JsonObject:
    """The body around the choices."""
    first = records[0]
    head = {"id": f"{prefix}-{first['key']}", "object": object_name, "created": read_time(first)}
    return {**head, "model": first["model"]["id"], "choices": choices, **count_usage(records)}


def read_time(record: JsonObject) -> int:
    """When a result was made, in seconds since 1970."""
    return int(datetime.fromisoformat(record["created"]).timestamp())


def count_usage(records: list[JsonObject]) -> JsonObject:
    """The tokens read and made, where every record counts them."""
    counts = [record.get("tokens") for record in records]
    if not all(counts):
        return {}
    read, made = (sum(count[name] for count in counts if count) for name in ("prompt", "completion"))
    return {"usage": {"prompt_tokens": read, "completion_tokens": made, "total_tokens": read + made}}


EMBEDDINGS: JsonObject = {
    "type": "object",
    "properties": {
        "object": {"const": "list"},
        "model": {"type": "string"},
        "data": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "object": {"const": "embedding"},
                    "index": WHOLE,
                    "embedding": {
                        "anyOf": [
                            {"type": "array", "items": {"type": "number"}},
                            {"type": "string", "contentEncoding": "base64"},
                        ]
                    },
                },
                "required": ["object", "index", "embedding"],
            },
            "minItems": 1,
        },
        "usage": {
            "type": "object",
            "properties": dict.fromkeys(("prompt_tokens", "total_tokens"), WHOLE),
            "required": ["prompt_tokens", "total_tokens"],
        },
    },
    "required": ["object", "model", "data", "usage"],
}


def answer_embeddings(records: list[JsonObject]) -> JsonObject:
    """Vectors, as /v1/embeddings answers them."""
    data = [
        {"object": "embedding", "index": index, "embedding": record["embedding"]}
        for index, record in enumerate(records)
    ]
    read = sum((record.get("tokens") or {}).get("prompt", 0) for record in records)
    usage = {"prompt_tokens": read, "total_tokens": read}
    return {"object": "list", "data": data, "model": records[0]["model"]["id"], "usage": usage}


def read_embedding(answer: JsonObject) -> tuple[object, int | None]:
    """The vector in an answer of /v1/embeddings as it stands, and the tokens that were read. Raises ModelError."""
    stated = read_first(answer, "data").get("embedding")
    if not isinstance(stated, list | str) or not stated:
        raise not_an_answer()
    usage = answer.get("usage")
    read = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return stated, read if isinstance(read, int) and not isinstance(read, bool) else None


def read_said(answer: JsonObject) -> Said:
    """The text of an answer of /v1/completions or /v1/chat/completions. Raises ModelError."""
    choice = read_first(answer, "choices")
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    if text is None and isinstance(message, dict):
        text = ""  # it called a tool, or refused
    if not isinstance(text, str):
        raise not_an_answer()
    return Said(make_utf8(text), shorten(choice.get("finish_reason")), read_usage(answer.get("usage")))


def read_piece(chunk: JsonObject) -> str:
    """The text that one event of a stream adds. Raises ModelError."""
    if not chunk.get("choices"):  # the event that counts the tokens
        return ""
    choice = read_first(chunk, "choices")
    delta = choice.get("delta")
    piece = delta.get("content") if isinstance(delta, dict) else choice.get("text")
    if not isinstance(piece, str | None):
        raise not_an_answer()
    return make_utf8(piece or "")


def join_chunks(chunks: Iterable[JsonObject], text: str) -> JsonObject:
    """The answer that the events of a stream are together; `text` is that of all pieces."""
    joined: JsonObject = {}
    reason = None
    for chunk in chunks:
        joined |= {name: chunk[name] for name in ("model", "usage") if chunk.get(name)}
        if chunk.get("choices"):
            reason = read_first(chunk, "choices").get("finish_reason") or reason
    return {**joined, "choices": [{"text": text, "finish_reason": reason}]}


def read_picture(answer: JsonObject) -> bytes:
    """The file in an answer of /v1/images/generations. Raises ModelError."""
    data = read_first(answer, "data")
    encoded = data.get(DATA)
    if not isinstance(encoded, str):
        hint = "the server ignores response_format" if data.get("url") else None
        raise ModelError(f"the server's answer holds no picture ({DATA})", hint=hint)
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        raise not_an_answer() from None


def read_model(answer: JsonObject) -> str | None:
    """The model that an answer names."""
    return shorten(answer.get("model"))


def read_first(answer: JsonObject, name: str) -> JsonObject:
    """The first object of a list. Raises ModelError."""
    listed = answer.get(name)
    if not isinstance(listed, list) or not listed or not isinstance(listed[0], dict):
        raise not_an_answer()
    return listed[0]


def read_usage(usage: object) -> Mapping[str, int] | None:
    """The tokens that were read and made."""
    stated = usage if isinstance(usage, dict) else {}
    read, made = stated.get("prompt_tokens"), stated.get("completion_tokens")
    return {"prompt": read, "completion": made} if isinstance(read, int) and isinstance(made, int) else None


def shorten(stated: object) -> str | None:
    """A short text that a server states, or None."""
    return make_utf8(stated[:LONGEST_NAME]) if isinstance(stated, str) and stated else None


def make_utf8(text: str) -> str:
    """A text of JSON without the halves of characters that UTF-8 cannot hold."""
    return text.encode(errors="replace").decode()


def not_an_answer() -> ModelError:
    """The error for what is not an answer of the API."""
    return ModelError("the server's answer is not of OpenAI's API", hint="check the address: http://HOST:PORT/v1")
