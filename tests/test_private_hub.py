"""What genai relies on in huggingface_hub: its private parts, the types of its errors, and the variables it reads."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import huggingface_hub
import pytest
from huggingface_hub import errors

from genai_cli.errors import NetworkError
from genai_cli.hub.client import make_client, make_resumable, refuse_request
from genai_cli.hub.download import download_file
from genai_cli.hub.environment import is_hub, may_have_token
from genai_cli.hub.failures import explain_failure
from genai_cli.hub.private import find_http_library, make_default_client
from genai_cli.hub.reference import ModelReference

REFERENCE = ModelReference("owner/name", "0" * 40)


# The HTTP client


def test_the_default_client_is_new_and_has_the_library_s_own_hooks() -> None:
    with make_default_client() as one, make_default_client() as other:
        assert one is not other
        assert isinstance(one, find_http_library().Client)
        assert one.event_hooks["request"]
        assert one.follow_redirects


def test_more_hooks_are_added_and_see_each_request() -> None:
    with make_default_client() as plain, make_client([refuse_request], []) as client:
        own = plain.event_hooks["request"]
        assert client.event_hooks["request"] == [*own, refuse_request]
        with pytest.raises(errors.OfflineModeIsEnabled):
            client.get("http://127.0.0.1:9/")


class ResetStream(httpx2.SyncByteStream):
    """A connection that is reset after its first bytes."""

    def __iter__(self):  # type: ignore[no-untyped-def]
        yield b"first"
        raise httpx2.ReadError("reset")


def test_a_reset_counts_as_a_close() -> None:
    assert find_http_library() is httpx2
    response = httpx2.Response(200, stream=ResetStream())
    make_resumable(response)
    with pytest.raises(httpx2.RemoteProtocolError, match="reset"):
        response.read()


# Errors of a download


def failing(error: Exception) -> Callable[..., str]:
    def download(*_: object, **__: object) -> str:
        raise error

    return download


@pytest.mark.parametrize(
    "error", [RuntimeError("no route"), ValueError("no route"), errors.XetDownloadError("no route")]
)
def test_other_errors_are_the_storage_service_s(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", failing(error))
    with pytest.raises(NetworkError, match="the hub's storage service failed: no route") as raised:
        download_file(REFERENCE, "config.json")
    assert raised.value.hint == "HF_HUB_DISABLE_XET=1 does without it"
    assert explain_failure(raised.value, REFERENCE) is raised.value


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left"), httpx2.ReadTimeout("slow"), NetworkError("429"), errors.HFValidationError("name")],
)
def test_errors_that_genai_knows_pass(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", failing(error))
    with pytest.raises(type(error)) as raised:
        download_file(REFERENCE, "config.json")
    assert raised.value is error


def test_an_error_of_no_known_type_is_a_bug() -> None:
    with pytest.raises(KeyError):
        explain_failure(KeyError("x"), REFERENCE)


# The environment


PROGRAM = """
import sys
import genai_cli.hub.client, genai_cli.hub.cache, genai_cli.hub.files
from genai_cli.hub.environment import prepare_hub_environment
import os
assert "HF_HUB_DISABLE_TELEMETRY" not in os.environ, "an import alone changes nothing"
heavy = {"huggingface_hub", "transformers", "safetensors", "httpx2"} & set(sys.modules)
assert not heavy, heavy
prepare_hub_environment()
from huggingface_hub import constants
print(constants.HF_HUB_DISABLE_TELEMETRY, constants.HF_HUB_DISABLE_IMPLICIT_TOKEN, constants.HF_HUB_DISABLE_XET)
"""


@pytest.mark.parametrize(
    ("endpoint", "trusted", "seen"),
    [
        ("https://huggingface.co", "", "True False False"),
        ("http://127.0.0.1:9", "", "True True True"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/path", "True False True"),
        ("http://127.0.0.1:9", "https://127.0.0.1:9", "True True True"),
    ],
)
def test_the_library_sees_the_environment_that_is_prepared(
    endpoint: str, trusted: str, seen: str, tmp_path: Path
) -> None:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    path = os.pathsep.join(part for part in [str(Path.cwd()), *sys.path] if part)
    variables = {"HF_ENDPOINT": endpoint, "GENAI_TRUST_ENDPOINT": trusted, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**inherited, **variables}, cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.stderr) == (seen, "")


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://huggingface.co/api", True),
        ("https://cdn-lfs.huggingface.co/x", True),
        ("https://hf.co", True),
        ("http://huggingface.co", False),
        ("https://huggingface.co.example.com", False),
        ("https://example.com/huggingface.co", False),
    ],
)
def test_which_address_is_the_hub(url: str, ours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENAI_TRUST_ENDPOINT", raising=False)
    assert is_hub(url) is may_have_token(url) is ours
