"""Requests in OpenAI's batch format are taken as they are, or refused by the name of what cannot be done."""

from typing import Any

import pytest

from genai_cli.errors import InputError
from genai_cli.modality.registry import list_endpoints, list_requests
from genai_cli.request import openai_rows
from genai_cli.request.openai_rows import Translation
from genai_cli.request.rows import Row
from genai_cli.work.orders import Defaults, make_orders

CHAT = "/v1/chat/completions"


def translate(fields: dict[str, Any], model: str | None) -> Translation:
    return openai_rows.translate(fields, list_endpoints(), model)


HELLO = [{"role": "user", "content": "Hello"}]


def request_for(url: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"custom_id": "r-1", "method": "POST", "url": url, "body": body, **more}


def test_a_completion() -> None:
    body = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once", "max_tokens": 9, "n": 2, "stop": ".", "seed": 4}
    (row,) = translate(request_for("/v1/completions", body | {"user": "u", "stream": False}), "tiny").rows
    assert row == {
        "task": "text",
        "id": "r-1",
        "model": "tiny",
        "prompt": "Once",
        "max_new_tokens": 9,
        "num": 2,
        "stop": ".",
        "seed": 4,
        "echo": False,
    }


def test_several_prompts_are_several_rows() -> None:
    rows = translate(request_for("/v1/completions", {"prompt": ["a", "b"], "model": "gpt2"}), None).rows
    assert [(row["prompt"], row["id"], row["model"]) for row in rows] == [
        ("a", "r-1-1", "gpt2"),
        ("b", "r-1-2", "gpt2"),
    ]


def test_a_conversation() -> None:
    messages = [
        {"role": "developer", "content": "Be short."},
        {"role": "system", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "kind."}]},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!", "refusal": None},
        {"role": "user", "content": "And then?"},
    ]
    (row,) = translate(
        request_for(CHAT, {"model": "tiny", "messages": messages, "max_completion_tokens": 5}), None
    ).rows
    assert row["prompt"] == "And then?"
    assert row["system"] == "Be short.\n\nBe\nkind."
    assert row["messages"] == [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]
    assert row["max_new_tokens"] == 5


@pytest.mark.parametrize(("size", "fields"), [("64x32", {"size": "64x32"}), ("auto", {})])
def test_a_picture(size: str, fields: dict[str, str]) -> None:
    body = {"model": "dall-e-3", "prompt": "a cat", "size": size, "output_format": "jpeg", "quality": "hd"}
    translation = translate(request_for("/v1/images/generations", body | {"response_format": "url"}), "tiny")
    assert translation.suffix == ".jpg"
    assert translation.rows == [{"task": "image", "id": "r-1", "model": "tiny", "prompt": "a cat", **fields}]


@pytest.mark.parametrize(
    ("url", "body", "words"),
    [
        ("/v1/responses", {"input": "a"}, "/v1/responses"),
        ("/v1/moderations", {"input": "a"}, "/v1/moderations"),
        (CHAT, {"messages": HELLO, "tools": [{"type": "function"}]}, "'tools'"),
        (CHAT, {"messages": HELLO, "logprobs": True}, "'logprobs'"),
        ("/v1/completions", {"prompt": "a", "logprobs": 0}, "'logprobs'"),
        (CHAT, {"messages": HELLO, "response_format": {"type": "json_object"}}, "'response_format'"),
        (CHAT, {"messages": HELLO, "presence_penalty": 0.5}, "'presence_penalty'"),
        (CHAT, {"messages": HELLO, "logit_bias": {"5": 1}}, "'logit_bias'"),
        (CHAT, {"messages": HELLO, "stream": True}, "'stream'"),
        (CHAT, {"messages": HELLO, "temprature": 1}, "'temprature'"),
        ("/v1/completions", {"prompt": "a", "best_of": 3}, "'best_of'"),
        ("/v1/completions", {"prompt": [1, 2]}, "text or a list of texts"),
        (CHAT, {"messages": []}, "messages"),
        (CHAT, {"messages": [*HELLO, {"role": "assistant", "content": "Hi"}]}, "last message is the assistant's"),
        (CHAT, {"messages": [{"role": "tool", "content": "3"}]}, "'tool'"),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "'image_url'"),
        ("/v1/images/generations", {"prompt": "a", "output_format": "gif"}, "'gif'"),
    ],
)
def test_what_cannot_be_done_is_named(url: str, body: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as raised:
        translate(request_for(url, body), None)
    assert words in raised.value.message


@pytest.mark.parametrize(
    "url",
    [
        "/chat/completions",
        "/openai/v1/chat/completions",
        "/openai/deployments/my-gpt/chat/completions",
        "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21",
    ],
)
def test_azure_s_addresses_are_openai_s(url: str) -> None:
    (row,) = translate(request_for(url, {"messages": HELLO}), "tiny").rows
    assert (row["task"], row["prompt"]) == ("text", "Hello")


@pytest.mark.parametrize(
    ("stated", "used"),
    [
        ({"top_p": 0, "temperature": 0.9}, {"temperature": 0}),
        ({"top_p": 0.0}, {"temperature": 0}),
        ({"top_k": -1}, {"top_k": 0}),
        ({"top_k": 5, "top_p": 0.5}, {"top_k": 5, "top_p": 0.5}),
    ],
)
def test_all_and_the_likeliest_alone_as_other_servers_write_them(stated: dict[str, Any], used: dict[str, Any]) -> None:
    (order,) = make_orders(
        Row(request_for(CHAT, {"messages": HELLO, **stated})), Defaults(list_requests(), {"model": "tiny"})
    )
    parameters = order.request.parameters()
    names = ("top_k", "top_p", "temperature")
    assert {name: parameters[name] for name in names if parameters[name] is not None} == used


def test_a_hosted_model_needs_one_of_yours() -> None:
    row = Row(request_for(CHAT, {"messages": HELLO, "model": "gpt-4o-mini"}))
    with pytest.raises(InputError) as raised:
        make_orders(row, Defaults(list_requests(), {}))
    assert "'gpt-4o-mini' is not available here" in raised.value.message
    (order,) = make_orders(row, Defaults(list_requests(), {"model": "tiny"}))
    assert order.request.model == "tiny"


def test_what_asks_for_nothing_is_passed_over() -> None:
    nothing = {"presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": None, "tools": [], "best_of": 1}
    neutral = {"response_format": {"type": "text"}, "logprobs": False, "store": True, "metadata": {"a": "b"}}
    (row,) = translate(request_for(CHAT, {"messages": HELLO, **nothing, **neutral}), "tiny").rows
    assert set(row) == {"task", "id", "model", "prompt", "echo"}
