"""Rows of OpenAI's batch format (custom_id, method, url, body) as rows of genai's own.

https://platform.openai.com/docs/api-reference/batch/request-input
"""

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from genai_cli.errors import InputError
from genai_cli.request.input import Input
from genai_cli.request.request import PROMPT
from genai_cli.types import JsonObject

ENVELOPE = ("custom_id", "method", "url", "body")
VERSION = "/v1"  # how an address of OpenAI's begins
AZURE = re.compile(r"^(/openai)?(/v1|/deployments/[^/]+)?(?=/)")  # how one of Azure's may
SYSTEM_ROLES = ("system", "developer")


@dataclass(frozen=True)
class SentFile:
    """An answer that is a file itself."""

    data: bytes
    media_type: str


Answer = JsonObject | str | SentFile


@dataclass(frozen=True)
class Endpoint:
    """An address of OpenAI's API that a task answers: how a body becomes rows, and records the body of a response."""

    url: str
    names: Mapping[str, str]
    """What each field of a body is called in a row of genai's own."""
    read: Callable[[JsonObject], list[JsonObject]]
    """What each row is about: its prompt, or a conversation. Raises InputError."""
    answer: Callable[[list[JsonObject]], JsonObject]
    """The body of the response, from the records of the results."""
    defaults: Mapping[str, object] = field(default_factory=dict)
    """Fields of the rows where the body says nothing."""
    ignored: frozenset[str] = frozenset()
    """Fields of a body that change nothing here, beside those that no endpoint needs."""
    formats: Mapping[str, str] = field(default_factory=dict)
    """The file type of each format that a body may ask for."""
    format_field: str = "output_format"
    """Where it does."""
    first_format: str | None = None
    """The format of a body that says nothing; None leaves it to the task."""
    unset: Mapping[str, object] = field(default_factory=dict)
    """The value of a field that leaves the choice to the model."""
    served: Mapping[str, object] = field(default_factory=dict)
    """What a server sets beside; rows of a batch leave it, as it would change their keys."""
    takes: JsonObject = field(default_factory=dict)
    """The fields that `read` reads, as JSON Schema."""
    optional: frozenset[str] = frozenset()
    """Those of them that may be left out."""
    media_type: str = "application/json"
    """How a body comes."""
    gives: JsonObject = field(default_factory=dict)
    """The body that `answer` makes, as JSON Schema."""
    packings: tuple[str, ...] = ()
    """What response_format may ask for, where an answer holds files; a body that says nothing gets the first."""
    streams: bool = False
    """Whether the answer may come in pieces."""
    most: int = 16
    """How many results one request to a server may ask for."""
    shapes: Mapping[str, Callable[[list[JsonObject]], Answer]] = field(default_factory=dict)
    """What response_format may ask a server for where it shapes the answer; a body that says nothing gets
    `first_format`, or `answer` where there is none."""
    media_types: tuple[str, ...] = ("text/plain",)
    """What the shapes are, beside JSON."""
    flows: Mapping[str, int] = field(default_factory=dict)
    """What response_format may ask for beside: plain samples of sound, so many a second, sent while they are made."""


# Read by the functions below.
CONTENT = {"model", PROMPT, "messages", "output_format"}
# The same fields as JSON Schema, for an endpoint's `takes`.
FORM = "multipart/form-data"  # RFC 7578; a body that holds files
FILE: JsonObject = {"type": "string", "contentMediaType": "application/octet-stream"}
ONE_PROMPT: JsonObject = {PROMPT: {"type": "string", "minLength": 1}}
PROMPTS: JsonObject = {
    PROMPT: {
        "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
    }
}
IMAGE_URL = "image_url"
PICTURE_PART: JsonObject = {
    "type": "object",
    "properties": {
        "type": {"const": IMAGE_URL},
        IMAGE_URL: {
            "type": "object",
            "properties": {"url": {"type": "string", "pattern": "^data:[^,]*;base64,"}},
            "required": ["url"],
        },
    },
    "required": ["type", IMAGE_URL],
}
TEXT_PART: JsonObject = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
    "required": ["type", "text"],
}
PART: JsonObject = {"anyOf": [TEXT_PART, PICTURE_PART]}
CONVERSATION: JsonObject = {
    "messages": {
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "properties": {
                "role": {"enum": [*SYSTEM_ROLES, "user", "assistant"]},
                "content": {"anyOf": [{"type": "string"}, {"type": "array", "items": PART, "minItems": 1}]},
            },
            "required": ["role", "content"],
            "additionalProperties": False,
        },
    }
}
# What changes no result here: who asks, where it is kept, how it is sent or paid for, what only hosted models have.
IGNORED = {
    *("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
    *("stream_options", "parallel_tool_calls"),
    *("quality", "style", "background", "moderation", "output_compression", "partial_images"),
}
# What shapes a result and cannot be done here, with the values that ask for nothing.
NEUTRAL: dict[str, tuple[object, ...]] = {
    "stream": (False,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "best_of": (1,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "suffix": ("",),
    "instructions": ("",),
    "stream_format": ("audio",),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
}
# Values outside an option's range that `mend_sampling` understands.
MENDED = {"top_k": -1, "top_p": 0}


@dataclass(frozen=True)
class Translation:
    """A request as rows of genai's own, one a prompt, and the file type that it asks for."""

    rows: list[JsonObject]
    suffix: str | None = None


def is_openai(fields: Mapping[str, object]) -> bool:
    """Whether a row is of OpenAI's batch format."""
    return "body" in fields and ("url" in fields or "custom_id" in fields)


def translate(
    fields: Mapping[str, object], tasks: Mapping[str, tuple[str, Endpoint]], model: str | None
) -> Translation:
    """The rows that a request stands for. `tasks` holds the task and the endpoint of each address.

    `model` is the command line's, and comes before the request's own. Raises InputError, naming what cannot be done.
    """
    url, body = check_envelope(fields, list(tasks))
    task, endpoint = tasks[url]
    stated = {name: value for name, value in body.items() if value is not None}
    row: JsonObject = {"task": task, **read_options(stated, endpoint)}
    name = model or stated.get("model")
    if name is not None:
        row["model"] = str(name)
    contents = endpoint.read(stated)
    if "custom_id" in fields:
        row["id"] = fields["custom_id"]
    rows = [{**row, **content} for content in contents]
    if len(rows) > 1 and "id" in row:
        rows = [{**part, "id": f"{row['id']}-{number}"} for number, part in enumerate(rows, 1)]
    return Translation(rows, choose_suffix(stated, endpoint))


def check_envelope(fields: Mapping[str, object], urls: list[str]) -> tuple[str, JsonObject]:
    """The url and the body. Raises InputError where they are not what genai can do."""
    unknown = next((name for name in fields if name not in ENVELOPE), None)
    if unknown is not None:
        raise InputError(f"unknown field {unknown!r} beside the body", hint=f"a request has {', '.join(ENVELOPE)}")
    url, body = find_url(fields.get("url"), urls), fields["body"]
    if url is None:
        raise InputError(
            f"the url {fields.get('url')!r} is not one that genai can do", hint=f"one of {', '.join(urls)}"
        )
    if fields.get("method", "POST") != "POST":
        raise InputError(f"the method must be POST, not {fields['method']!r}")
    if not isinstance(body, dict):
        raise InputError("the body is not a JSON object")
    return url, body


def find_url(stated: object, urls: Iterable[str]) -> str | None:
    """The address among `urls` that a request means, or None. Azure's have no version: `/chat/completions`.

    Or they name a deployment: `/openai/deployments/NAME/chat/completions?api-version=2024-10-21`.
    """
    path = str(stated).partition("?")[0].rstrip("/")
    short = AZURE.sub("", path)
    return next((url for url in urls if url == path or url.removeprefix(VERSION) == short), None)


def read_options(body: JsonObject, endpoint: Endpoint) -> JsonObject:
    """The options that a body sets. Raises InputError for a field that shapes the result and cannot be honoured."""
    options: JsonObject = {}
    for name, value in body.items():
        if name in endpoint.unset and value == endpoint.unset[name]:
            continue
        if name in endpoint.names:
            options[endpoint.names[name]] = value
        elif name in CONTENT or name in IGNORED or name in endpoint.ignored:
            continue
        elif name not in NEUTRAL:
            raise InputError(f"the field {name!r} of {endpoint.url} is not one that genai knows")
        elif not any(value == neutral and type(value) is type(neutral) for neutral in neutral_values(name)):
            raise InputError(f"the field {name!r} cannot be honoured: no model here does that", hint="leave it out")
    return {**endpoint.defaults, **mend_sampling(options)}


def mend_sampling(options: JsonObject) -> JsonObject:
    """The options with what other servers write for "all" and "the likeliest alone" as it is written here."""
    if is_number(options.get("top_k"), MENDED["top_k"]):
        options["top_k"] = 0  # draw from all
    if is_number(options.get("top_p"), MENDED["top_p"]):  # the likeliest token alone has a probability of 0 and more
        del options["top_p"]
        options["temperature"] = 0
    return options


def is_number(value: object, number: int) -> bool:
    """Whether a value is that number, and not false."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == number


def neutral_values(name: str) -> tuple[object, ...]:
    """The values of a field that ask for nothing; a number may be written either way."""
    values = NEUTRAL[name]
    return (*values, *(float(value) for value in values if type(value) is int))


def read_one_prompt(body: JsonObject) -> list[JsonObject]:
    """The prompt of a body. Raises InputError."""
    prompt = body.get(PROMPT)
    if not isinstance(prompt, str):
        raise InputError("the prompt must be text")
    return [{PROMPT: prompt}]


def read_prompts(body: JsonObject) -> list[JsonObject]:
    """The prompts of a body: a text, or a list of texts. Raises InputError."""
    prompts = body.get(PROMPT)
    texts = [prompts] if isinstance(prompts, str) else prompts
    if not (isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)):
        raise InputError("the prompt must be text or a list of texts")
    return [{PROMPT: text} for text in texts]


def choose_suffix(body: JsonObject, endpoint: Endpoint) -> str | None:
    """The file type that a body asks for. Raises InputError."""
    asked = body.get(endpoint.format_field, endpoint.first_format) if endpoint.formats else None
    if asked is None:
        return None
    if asked not in endpoint.formats:
        raise InputError(f"unknown {endpoint.format_field} {asked!r}", hint=f"one of {', '.join(endpoint.formats)}")
    return endpoint.formats[asked]


def read_conversation(body: JsonObject) -> list[JsonObject]:
    """Messages as the prompt (the user's last), the system message and the turns between. Raises InputError."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InputError("messages must be a list of messages")
    last, picture = take_picture(messages[-1])
    turns = [read_message(message) for message in [*messages[:-1], last]]
    if turns[-1]["role"] == "assistant":
        what = "the last message is the assistant's, and an answer that was begun cannot be continued"
        hint = "end with the user's message; /v1/completions continues a text as it is"
        raise InputError(what, hint=hint)
    if turns[-1]["role"] != "user":
        raise InputError("the last message must be the user's")
    first = next(index for index, turn in enumerate(turns) if turn["role"] != "system")
    row: JsonObject = {PROMPT: turns[-1]["content"], **({"picture": picture} if picture is not None else {})}
    if first:
        row["system"] = "\n\n".join(turn["content"] for turn in turns[:first])
    if turns[first:-1]:
        row["messages"] = turns[first:-1]
    return [row]


def take_picture(message: object) -> tuple[object, Input | None]:
    """A message without its picture, and that picture. Raises InputError for several, and for one on the network."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(content, list):
        return message, None
    words = [part for part in content if not (isinstance(part, dict) and part.get("type") == IMAGE_URL)]
    found = [part.get(IMAGE_URL) for part in content if part not in words]
    if not found:
        return message, None
    if len(found) > 1:
        raise InputError(f"a message may have one picture, not {len(found)}")
    return {**message, "content": words}, read_data_url(found[0])


def read_data_url(stated: object) -> Input:
    """The picture in a data URL (RFC 2397), or an object's `url`. Raises InputError for another address."""
    address = stated.get("url") if isinstance(stated, dict) else stated
    head, comma, data = str(address).partition(",")
    if not (head.startswith("data:") and head.endswith(";base64") and comma):
        what = f"the {IMAGE_URL!r} of a message must be a data URL: nothing is fetched from the network"
        raise InputError(what, hint="data:image/png;base64,...")
    try:
        return Input.hold(base64.b64decode(data, validate=True), "picture")
    except ValueError:
        raise InputError("the data URL of a picture is not base64") from None


def read_message(message: object) -> dict[str, str]:
    """One message's role and text. Raises InputError for anything but text."""
    if not isinstance(message, dict):
        raise InputError("a message is an object with role and content")
    role, content = message.get("role"), message.get("content")
    if role not in (*SYSTEM_ROLES, "user", "assistant"):
        raise InputError(f"messages of the role {role!r} cannot be honoured")
    other = next((name for name, value in message.items() if value and name not in ("role", "content")), None)
    if other is not None:
        raise InputError(f"the field {other!r} of a message cannot be honoured", hint="leave it out")
    return {"role": "system" if role in SYSTEM_ROLES else str(role), "content": read_text(content)}


def read_text(content: object) -> str:
    """The text of a message: as it is, or its text parts, a line each. Raises InputError."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise InputError("the content of a message must be text or a list of text parts")
    texts = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            type_name = part.get("type") if isinstance(part, dict) else part
            raise InputError(f"a part of type {type_name!r} cannot be read, only text")
        texts.append(part["text"])
    return "\n".join(texts)
