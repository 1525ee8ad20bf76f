"""Results in OpenAI's batch format: a line for each request, with the body that the hosted service would answer.

https://platform.openai.com/docs/api-reference/batch/request-output
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

from genai_cli.content.record import to_json
from genai_cli.modality.registry import list_endpoints
from genai_cli.request.openai_rows import find_url
from genai_cli.request.rows import Row
from genai_cli.types import JsonObject


def openai_lines(results: Iterable[tuple[Row, JsonObject]]) -> Iterator[str]:
    """A line for each request, from its results one after another."""
    for number, (row, pairs) in enumerate(groupby(results, key=lambda result: result[0])):
        records = [record for _, record in pairs]
        yield f"{to_json(build_line(number, row, records))}\n"


def build_line(number: int, row: Row, records: list[JsonObject]) -> JsonObject:
    """The line of one request; where one of its results failed, it has that error and no response."""
    failed = next((record for record in records if record["status"] != "done"), None)
    name = records[0].get("key", f"row-{number}")
    line = {"id": f"batch_req_{name}", "custom_id": row.fields.get("custom_id")}
    if failed is not None:
        return {**line, "response": None, "error": {"code": failed["status"], "message": failed["error"]}}
    endpoints = list_endpoints()
    _, endpoint = endpoints[str(find_url(row.fields["url"], endpoints))]
    response = {"status_code": 200, "request_id": f"req_{name}", "body": endpoint.answer(records)}
    return {**line, "response": response, "error": None}
