"""The description of the server's addresses, made from what options, endpoints and pages declare.

https://spec.openapis.org/oas/v3.1.1
"""

from collections.abc import Mapping, Sequence

from genai_cli import __version__
from genai_cli.modality.registry import list_endpoints, list_requests
from genai_cli.request.json_schema import describe_option
from genai_cli.request.openai_rows import IGNORED, MENDED, NEUTRAL, Endpoint
from genai_cli.request.option import declared_options, find_field
from genai_cli.request.request import Request
from genai_cli.server.pages import Page
from genai_cli.types import JsonObject
from genai_cli.work.orders import NUMBER

ERROR: JsonObject = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"enum": ["invalid_request_error", "server_error"]},
                "param": {"type": "null"},
                "code": {"type": ["string", "null"]},
            },
            "required": ["message", "type", "param", "code"],
        }
    },
    "required": ["error"],
}
# The guard takes the key in either form (RFC 6750, RFC 7617).
KEY_SCHEMES: JsonObject = {
    "key": {"type": "http", "scheme": "bearer"},
    "password": {
        "type": "http",
        "scheme": "basic",
        "description": "The key as the password, as a browser sends it; the name of the user does not matter.",
    },
}
STREAM: JsonObject = {"type": "string", "description": "Server-sent events: chunks as JSON, then [DONE]."}
# What a request for results may be refused with, beside 401 and 403 of every address.
REFUSALS = (400, 404, 408, 413, 503)


def build_schema(pages: Sequence[Page], has_key: bool, keeps_files: bool) -> JsonObject:
    """The whole description. It names no model: /v1/models does, to those who have the key."""
    paths: JsonObject = {page.path: {"get": describe_page(page, has_key)} for page in pages}
    requests = list_requests()
    for url, (task, endpoint) in list_endpoints().items():
        paths[url] = {"post": describe_endpoint(endpoint, requests[task], has_key, keeps_files)}
    components: JsonObject = {"schemas": {"Error": ERROR}}
    if has_key:
        components["securitySchemes"] = KEY_SCHEMES
    info = {"title": "genai serve", "version": __version__, "description": "OpenAI's API over models of this machine."}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": components}


def describe_page(page: Page, has_key: bool) -> JsonObject:
    """An address that tells something."""
    content = {page.media_type: {"schema": page.answer or {"type": "string"}}}
    found: JsonObject = {"summary": page.summary, "responses": describe_responses(content, (403, *page.errors))}
    names = [part.strip("{}") for part in page.path.split("/") if part.startswith("{")]
    if names:
        found["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    return found if page.is_open or not has_key else ask_for_key(found)


def describe_endpoint(endpoint: Endpoint, request: type[Request], has_key: bool, keeps_files: bool) -> JsonObject:
    """An address that makes results."""
    content: JsonObject = {"application/json": {"schema": endpoint.gives or {"type": "object"}}}
    if endpoint.first_format:  # the answer is a file
        content = {}
    if endpoint.shapes:
        content |= {name: {"schema": {"type": "string"}} for name in endpoint.media_types}
    if endpoint.streams:
        content["text/event-stream"] = {"schema": STREAM}
    body: JsonObject = {
        "type": "object",
        "properties": describe_body(endpoint, request, keeps_files),
        "required": [name for name in endpoint.takes if name not in endpoint.optional],
        "additionalProperties": False,
    }
    found: JsonObject = {
        "summary": f"{request.task}: what genai {request.task} makes",
        "requestBody": {"required": True, "content": {endpoint.media_type: {"schema": body}}},
        "responses": describe_responses(content, (403, *REFUSALS, 500, *([507] if keeps_files else []))),
    }
    return ask_for_key(found) if has_key else found


def describe_body(endpoint: Endpoint, request: type[Request], keeps_files: bool) -> JsonObject:
    """The fields of a body. What a field means that changes nothing here is left open."""
    model = {"type": ["string", "null"], "description": "One of /v1/models; may be left out if there is one alone."}
    found: JsonObject = {"model": model, **endpoint.takes}
    found |= {name: describe_field(name, word, endpoint, request) for name, word in endpoint.names.items()}
    if endpoint.formats:
        found[endpoint.format_field] = {"enum": [*endpoint.formats, None]}
    if endpoint.packings:
        found["response_format"] = {"enum": [*(endpoint.packings if keeps_files else endpoint.packings[:1]), None]}
    if endpoint.shapes:
        found["response_format"] = {"enum": [*endpoint.shapes, *endpoint.flows, None]}
    if endpoint.streams:
        found["stream"] = {"type": ["boolean", "null"], "description": "The answer in pieces; for one result."}
        usage = {"type": ["object", "null"], "properties": {"include_usage": {"type": "boolean"}}}
        found["stream_options"] = usage
    neutral = {
        name: {"enum": [*values, None], "description": "No other value can be honoured."}
        for name, values in NEUTRAL.items()
    }
    ignored = {name: {"description": "Changes nothing here."} for name in sorted(IGNORED | endpoint.ignored)}
    return {**ignored, **neutral, **found}


def describe_field(name: str, word: str, endpoint: Endpoint, request: type[Request]) -> JsonObject:
    """A field that sets an option, or how many results there are."""
    if word == NUMBER:
        return {"type": ["integer", "null"], "minimum": 1, "maximum": endpoint.most, "description": "How many results."}
    found = describe_option(declared_options(request)[find_field(request, word)])
    more = [{"const": values[name]} for values in (endpoint.unset, MENDED) if name in values]
    return {**found, "anyOf": [*found["anyOf"], *more]}


def describe_responses(content: Mapping[str, object], errors: tuple[int, ...]) -> JsonObject:
    """What an address may answer."""
    failure = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    refused = {str(status): {"description": "An error in OpenAI's form.", "content": failure} for status in errors}
    return {"200": {"description": "Done.", "content": content}, **refused}


def ask_for_key(operation: JsonObject) -> JsonObject:
    """An operation for those who have the key, sent in any one of the forms."""
    refused = describe_responses({}, (401,))["401"]
    forms: list[JsonObject] = [{name: []} for name in KEY_SCHEMES]
    return {**operation, "security": forms, "responses": {**operation["responses"], "401": refused}}
