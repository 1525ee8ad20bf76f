"""Results in OpenAI's batch format: a line for each request, with the body that the hosted service would answer.

https://platform.openai.com/docs/api-reference/batch/request-output
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

from genai_cli.output.onefile import DATA
from genai_cli.output.record import Record, to_json
from genai_cli.work.openai_requests import CHAT
from genai_cli.work.prompts import Row


def openai_lines(results: Iterable[tuple[Row, Record]]) -> Iterator[str]:
    """A line for each request, from its results one after another."""
    for number, (row, pairs) in enumerate(groupby(results, key=lambda result: result[0])):
        records = [record for _, record in pairs]
        yield f"{to_json(line_of(number, row, records))}\n"


def line_of(number: int, row: Row, records: list[Record]) -> dict[str, Any]:
    """The line of one request; where one of its results failed, it has that error and no response."""
    failed = next((record for record in records if record["status"] != "done"), None)
    name = records[0].get("key", f"row-{number}")
    line = {"id": f"batch_req_{name}", "custom_id": row.fields.get("custom_id")}
    if failed is not None:
        return {**line, "response": None, "error": {"code": failed["status"], "message": failed["error"]}}
    body = body_of(row.fields["url"], records)
    return {**line, "response": {"status_code": 200, "request_id": f"req_{name}", "body": body}, "error": None}


def body_of(url: str, records: list[Record]) -> dict[str, Any]:
    """The body of a response. Token counts and the reason for an end are there where the record tells them."""
    first = records[0]
    created = int(datetime.fromisoformat(first["created"]).timestamp())
    if first["task"] == "image":
        return {"created": created, "data": [{DATA: record[DATA]} for record in records]}
    kind, prefix = ("chat.completion", "chatcmpl") if url == CHAT else ("text_completion", "cmpl")
    choices = [choice_of(url, index, record) for index, record in enumerate(records)]
    head = {"id": f"{prefix}-{first['key']}", "object": kind, "created": created, "model": first["model"]["id"]}
    return {**head, "choices": choices, **usage_of(records)}


def choice_of(url: str, index: int, record: Record) -> dict[str, Any]:
    """One of the texts that answer a request."""
    text = record["text"]
    said = {"message": {"role": "assistant", "content": text, "refusal": None}} if url == CHAT else {"text": text}
    return {"index": index, **said, "logprobs": None, "finish_reason": record.get("finish_reason")}


def usage_of(records: list[Record]) -> dict[str, Any]:
    """The tokens read and made, where every record counts them."""
    counts = [record.get("tokens") for record in records]
    if not all(counts):
        return {}
    read, made = (sum(count[name] for count in counts if count) for name in ("prompt", "completion"))
    return {"usage": {"prompt_tokens": read, "completion_tokens": made, "total_tokens": read + made}}
