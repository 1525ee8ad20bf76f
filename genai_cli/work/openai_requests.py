"""Rows of OpenAI's batch format (custom_id, method, url, body) as rows of genai's own.

https://platform.openai.com/docs/api-reference/batch/request-input
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genai_cli.errors import GenaiError, InputError
from genai_cli.model.names import parse_name

COMPLETIONS, CHAT, IMAGES = "/v1/completions", "/v1/chat/completions", "/v1/images/generations"
TASK_OF_URL = {COMPLETIONS: "text", CHAT: "text", IMAGES: "image"}
ENVELOPE = ("custom_id", "method", "url", "body")
SYSTEM_ROLES = ("system", "developer")

# What each field of a body is called in a row of genai's own.
SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "repetition_penalty": "repetition_penalty",
    "stop": "stop",
    "seed": "seed",
    "n": "num",
    "max_tokens": "max_new_tokens",
}
FIELD_NAMES: dict[str, dict[str, str]] = {
    COMPLETIONS: {**SAMPLING, "echo": "echo"},
    CHAT: {**SAMPLING, "max_completion_tokens": "max_new_tokens"},
    IMAGES: {"size": "size", "n": "num", "seed": "seed"},
}
# Read by the functions below.
CONTENT = {"model", "prompt", "messages", "output_format"}
# What changes no result here: who asks, where it is kept, how it is sent or paid for, what only hosted models have.
PASSED_OVER = {
    *("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
    *("stream_options", "parallel_tool_calls"),
    *("quality", "style", "background", "moderation", "output_compression", "partial_images"),
}
# What shapes a result and cannot be done here, with the values that ask for nothing.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "stream": (False,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "best_of": (1,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "suffix": ("",),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
}
SUFFIX_OF_FORMAT = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


@dataclass(frozen=True)
class Translation:
    """A request as rows of genai's own, one a prompt, and the file type that it asks for."""

    rows: list[dict[str, Any]]
    suffix: str | None = None


def is_openai(fields: Mapping[str, Any]) -> bool:
    """Whether a row is of OpenAI's batch format."""
    return "body" in fields and ("url" in fields or "custom_id" in fields)


def translate(fields: Mapping[str, Any], model: str | None) -> Translation:
    """The rows that a request stands for; `model` is the command line's, and comes before the request's own.

    Raises InputError for what cannot be done, by name.
    """
    url, body = check_envelope(fields)
    task = TASK_OF_URL[url]
    stated = {name: value for name, value in body.items() if value is not None}
    row = {"task": task, **options_of(stated, url), **model_of(stated, task, model)}
    if "custom_id" in fields:
        row["id"] = fields["custom_id"]
    if url == CHAT:
        return Translation([{**row, **conversation(stated.get("messages"))}])
    prompts = prompts_of(stated, url)
    if len(prompts) > 1 and "id" in row:
        return Translation([{**row, "prompt": text, "id": f"{row['id']}-{k}"} for k, text in enumerate(prompts, 1)])
    return Translation([{**row, "prompt": text} for text in prompts], suffix_of(stated, url))


def check_envelope(fields: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The url and the body. Raises InputError where they are not what genai can do."""
    unknown = next((name for name in fields if name not in ENVELOPE), None)
    if unknown is not None:
        raise InputError(f"unknown field {unknown!r} beside the body", hint=f"a request has {', '.join(ENVELOPE)}")
    url, body = fields.get("url"), fields["body"]
    if url not in TASK_OF_URL:
        raise InputError(f"the url {url!r} is none that genai can do", hint=f"one of {', '.join(TASK_OF_URL)}")
    if fields.get("method", "POST") != "POST":
        raise InputError(f"the method must be POST, not {fields['method']!r}")
    if not isinstance(body, dict):
        raise InputError("the body is not a JSON object")
    return str(url), body


def options_of(body: Mapping[str, Any], url: str) -> dict[str, Any]:
    """The options that a body sets. Raises InputError for a field that shapes the result and cannot be honoured."""
    names, options = FIELD_NAMES[url], {}
    passed_over = PASSED_OVER | ({"response_format"} if url == IMAGES else set())
    for name, value in body.items():
        if name in names:
            options[names[name]] = value
        elif name in CONTENT or name in passed_over:
            continue
        elif name not in NEUTRAL:
            raise InputError(f"the field {name!r} of {url} is none that genai knows")
        elif not any(value == neutral and type(value) is type(neutral) for neutral in neutral_values(name)):
            raise InputError(f"the field {name!r} cannot be honoured: no model here does that", hint="leave it out")
    if url == IMAGES:
        if options.get("size") == "auto":
            del options["size"]
    else:
        options.setdefault("echo", False)
    return options


def neutral_values(name: str) -> tuple[Any, ...]:
    """The values of a field that ask for nothing; a number may be written either way."""
    values = NEUTRAL[name]
    return (*values, *(float(value) for value in values if type(value) is int))


def model_of(body: Mapping[str, Any], task: str, given: str | None) -> dict[str, str]:
    """The model to take, if one is named. Raises InputError for a hosted model's name without `given`."""
    name = given or body.get("model")
    if given is None and name is not None:
        try:
            parse_name(str(name), task)
        except GenaiError:
            hint = "-m NAME runs it with a model of yours"
            raise InputError(f"the model {name!r} is not to be had here", hint=hint) from None
    return {} if name is None else {"model": str(name)}


def prompts_of(body: Mapping[str, Any], url: str) -> list[str]:
    """The prompts of a body: one, or for texts several. Raises InputError."""
    prompt = body.get("prompt")
    if isinstance(prompt, str):
        return [prompt]
    if url == COMPLETIONS and isinstance(prompt, list) and prompt and all(isinstance(text, str) for text in prompt):
        return prompt
    raise InputError("the prompt must be text" + (" or a list of texts" if url == COMPLETIONS else ""))


def suffix_of(body: Mapping[str, Any], url: str) -> str | None:
    """The file type that a body asks for. Raises InputError."""
    if url != IMAGES or "output_format" not in body:
        return None
    asked = body["output_format"]
    if asked not in SUFFIX_OF_FORMAT:
        raise InputError(f"unknown output_format {asked!r}", hint=f"one of {', '.join(SUFFIX_OF_FORMAT)}")
    return SUFFIX_OF_FORMAT[asked]


def conversation(messages: Any) -> dict[str, Any]:
    """Messages as the prompt (the user's last), the system message and the turns between. Raises InputError."""
    if not isinstance(messages, list) or not messages:
        raise InputError("messages must be a list of messages")
    turns = [message_of(message) for message in messages]
    if turns[-1]["role"] != "user":
        raise InputError("the last message must be the user's")
    first = next(index for index, turn in enumerate(turns) if turn["role"] != "system")
    row: dict[str, Any] = {"prompt": turns[-1]["content"]}
    if first:
        row["system"] = "\n\n".join(turn["content"] for turn in turns[:first])
    if turns[first:-1]:
        row["messages"] = turns[first:-1]
    return row


def message_of(message: Any) -> dict[str, str]:
    """One message's role and text. Raises InputError for what is no text."""
    if not isinstance(message, dict):
        raise InputError("a message is an object with role and content")
    role, content = message.get("role"), message.get("content")
    if role not in (*SYSTEM_ROLES, "user", "assistant"):
        raise InputError(f"messages of the role {role!r} cannot be honoured")
    other = next((name for name, value in message.items() if value and name not in ("role", "content")), None)
    if other is not None:
        raise InputError(f"the field {other!r} of a message cannot be honoured", hint="leave it out")
    return {"role": "system" if role in SYSTEM_ROLES else role, "content": text_of(content)}


def text_of(content: Any) -> str:
    """The text of a message: as it is, or its text parts, a line each. Raises InputError."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise InputError("the content of a message must be text or a list of text parts")
    texts = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            kind = part.get("type") if isinstance(part, dict) else part
            raise InputError(f"a part of type {kind!r} cannot be read: text alone can")
        texts.append(part["text"])
    return "\n".join(texts)
