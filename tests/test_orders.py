"""What a row may not hold is found when the rows are read, before anything is loaded."""

from typing import Any

import pytest

from genai_cli.modality.registry import list_requests
from genai_cli.request.rows import Row
from genai_cli.work.orders import Defaults, Orders

OK = {"task": "text", "prompt": "x"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"system": "a\0b"}, "'system' holds a NUL"),
        ({"stop": ["a", "\0"]}, "'stop' holds a NUL"),
        ({"system": "\ud800"}, "'system' is not UTF-8"),
        ({"prompt": "\udc80"}, "'prompt' is not UTF-8"),
        ({"token": "hf_x"}, "unknown field 'token'"),
        ({"trust_remote_code": True}, "unknown field 'trust_remote_code'"),
        ({"output": "/etc/passwd"}, "unknown field 'output'"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "a message is"),
        ({"messages": [{"role": "user", "content": 3}]}, "a message is"),
        ({"messages": "hello"}, "a list of objects"),
        ({"messages": [{"role": "user", "content": "x"}], "chat": False}, "--no-chat"),
        ({"num": 0}, "--num"),
        ({"num": 1.5}, "--num"),
        ({"max_tokens": 3, "max-new-tokens": 4}, "'max_tokens' and 'max-new-tokens' set the same option"),
        ({"task": "image", "size": "64x64", "width": 32}, "'size' and 'width' set the same option"),
        ({"prompt": 3}, "the prompt must be text, not 3"),
        ({"id": ""}, "the id"),
        ({"url": "/v1/moderations", "body": {}}, "'/v1/moderations'"),
    ],
)
def test_a_bad_row_is_named(fields: dict[str, Any], words: str) -> None:
    row = Row({**OK, **fields} if "body" not in fields else fields, "jobs.jsonl:7")
    survey = Orders([row], Defaults(list_requests(), {})).survey
    assert (survey.items, survey.bad) == (0, 1)
    assert survey.first_bad[0].message.startswith("jobs.jsonl:7: ")
    assert words in survey.first_bad[0].message


@pytest.mark.parametrize("num", [2, 2.0, "2", "2.0"])
def test_a_number_of_results_is_read_as_any_whole_number(num: object) -> None:
    assert Orders([Row({**OK, "num": num})], Defaults(list_requests(), {})).survey.items == 2


def test_a_row_without_a_prompt_says_what_it_has() -> None:
    survey = Orders([Row({"task": "text", "text": "a"}, "p.jsonl:1")], Defaults(list_requests(), {})).survey
    assert survey.first_bad[0].message == "p.jsonl:1: no field 'prompt'"
    assert survey.first_bad[0].hint == "it has: task, text"


def test_the_ids_of_several_prompts_are_looked_at_too() -> None:
    body = {"model": "tiny", "prompt": ["a", "b"]}
    rows = [
        Row({"custom_id": "x", "url": "/v1/completions", "body": body}, "jobs.jsonl:1"),
        Row({**OK, "id": "x-2"}, "jobs.jsonl:2"),
    ]
    survey = Orders(rows, Defaults(list_requests(), {})).survey
    assert (survey.items, survey.bad, survey.openai) == (2, 1, 2)
    assert "'x-2' stands in an earlier row" in survey.first_bad[0].message
