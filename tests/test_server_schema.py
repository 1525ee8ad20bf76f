"""The published description of the server: whole, true, and fuzzed against the real process."""

import os
import re
from contextlib import suppress
from typing import Any

import pytest
from conftest import TIMEOUT, RunningServer, Serve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genai_cli.errors import InputError
from genai_cli.modality.diffusion.request import parse_size
from genai_cli.modality.registry import list_endpoints
from genai_cli.server.pages import PAGES
from genai_cli.server.schema import build_schema

schemathesis = pytest.importorskip("schemathesis")
from schemathesis import checks as usual  # noqa: E402
from schemathesis.specs.openapi import checks as openapi  # noqa: E402

# Set LONG_FUZZ to 300 or more for the long form.
EXAMPLES = int(os.environ.get("LONG_FUZZ", "12"))
CHECKS = [
    usual.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_schema_conformance,
]
FEW_TOKENS, SMALL = 4, 64


description = schemathesis.openapi.from_dict(build_schema(PAGES, has_key=False, keeps_files=False))
OPERATIONS = [(path, method.upper()) for path, methods in description.raw_schema["paths"].items() for method in methods]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_request_is_an_error_of_the_server(path: str, method: str, one_server: RunningServer) -> None:
    """Each answer is one that the description has: a result, or an error in OpenAI's form; never a 500."""
    base = f"http://127.0.0.1:{one_server.port}"
    operation = description[path][method]
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    cases = st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes])

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=cases)
    def ask(case: Any) -> None:
        shorten(case)
        response = case.call(base_url=base, timeout=TIMEOUT)
        case.validate_response(response, checks=CHECKS)
        if response.status_code != 200:
            error = response.json()["error"]
            assert set(error) == {"message", "type", "param", "code"}
            assert not re.search(r"/(tmp|root|home|usr|var)/", error["message"])

    ask()
    assert one_server.process.poll() is None


def shorten(case: Any) -> None:
    """Have a request that would be made take little of the model's time; one that would be refused stays as it is."""
    body = case.body
    if not isinstance(body, dict):
        return
    if isinstance(body.get("n"), int) and body["n"] > 1:
        body["n"] = 1
    bounds = [name for name in ("max_tokens", "max_completion_tokens") if body.get(name) is not None]
    if not bounds and not case.path.startswith("/v1/images/"):
        body["max_tokens"] = FEW_TOKENS
    for name in bounds:
        if isinstance(body[name], int) and body[name] > FEW_TOKENS:
            body[name] = FEW_TOKENS
    with suppress(InputError, KeyError):
        if max(parse_size(str(body["size"]))) > SMALL:
            body["size"] = f"{SMALL}x{SMALL}"


def test_the_description_has_each_address_and_each_field() -> None:
    described = build_schema(PAGES, has_key=True, keeps_files=False)
    for url, (_, endpoint) in list_endpoints().items():
        operation = described["paths"][url]["post"]
        body = operation["requestBody"]["content"][endpoint.media_type]["schema"]
        assert {*endpoint.names, *endpoint.takes, "model", "user", "tools"} <= set(body["properties"])
        assert operation["security"] == [{"key": []}, {"password": []}]  # either
        assert "401" in operation["responses"]
    schemes = described["components"]["securitySchemes"]
    assert {name: scheme["scheme"] for name, scheme in schemes.items()} == {"key": "bearer", "password": "basic"}
    assert "security" not in described["paths"]["/health"]["get"]
    sizes = described["paths"]["/v1/completions"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert sizes["properties"]["temperature"]["anyOf"][0] == {"type": "number", "minimum": 0, "maximum": 100}
    assert sizes["properties"]["n"]["maximum"] == 16
    assert "security" not in build_schema(PAGES, has_key=False, keeps_files=False)["paths"]["/v1/completions"]["post"]


def test_the_description_needs_no_key_and_names_no_model(serve: Serve) -> None:
    server = serve("--api-key", "secret-of-the-test")
    status, _, data = server.ask("GET", "/openapi.json")
    assert (status, b"tiny" in data, b"secret" in data) == (200, False, False)
    assert server.ask("GET", "/v1/models")[0] == 401
