"""Records as the bodies that OpenAI's API answers with.

https://platform.openai.com/docs/api-reference/batch/request-output
"""

from datetime import datetime

from genai_cli.types import JsonObject

DATA = "b64_json"  # under which a record carries the bytes of a picture


def answer_images(records: list[JsonObject]) -> JsonObject:
    """Pictures, as /v1/images/generations answers them."""
    return {"created": read_time(records[0]), "data": [{DATA: record[DATA]} for record in records]}


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
