"""The one way to the hub: when requests may leave, whom the token goes to, and how long a refusal is waited out.

Meaning of the variables: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
Rate limits: https://huggingface.co/docs/hub/rate-limits
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from genai_cli.errors import NetworkError
from genai_cli.events import Emit, Notice

HUB = "https://huggingface.co"
TRUST_VARIABLE = "GENAI_TRUST_ENDPOINT"
LONGEST_WAIT = 60  # seconds; who is asked to wait longer is told instead
TRIES = 3  # of a request that the library does not repeat itself


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def is_hub(url: str) -> bool:
    """Whether an address is the hub's own, over TLS."""
    scheme, host, _ = origin_of(url)
    return scheme == "https" and (host in ("huggingface.co", "hf.co") or host.endswith(".huggingface.co"))


def may_have_token(url: str) -> bool:
    """Whether the token may be sent to an address: the hub's own, or the one that the user names as trusted."""
    trusted = os.environ.get(TRUST_VARIABLE, "")
    return is_hub(url) or bool(trusted and origin_of(url) == origin_of(trusted))


def prepare_environment() -> None:
    """Settle what the libraries read from the environment when they are first imported."""
    # What matters to a user, genai says itself.
    os.environ.setdefault("HF_HUB_VERBOSITY", "critical")
    # Nothing is told to anyone about what a user runs.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # No code and no compiled kernel comes from a repository, and no service is asked to convert one.
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"
    os.environ["USE_HUB_KERNELS"] = "0"
    os.environ["DIFFUSERS_DISABLE_REMOTE_CODE"] = "1"
    endpoint = os.environ.get("HF_ENDPOINT") or HUB
    if not may_have_token(endpoint):
        os.environ["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1"
    if not is_hub(endpoint):
        # Another endpoint may repeat the hub's references to its storage service: files come from where the user says.
        os.environ["HF_HUB_DISABLE_XET"] = "1"


prepare_environment()


@contextmanager
def connection(emit: Emit) -> Iterator[None]:
    """Requests to the hub can be made inside and not after: nothing that loads a model asks the network."""
    from huggingface_hub import set_client_factory

    set_client_factory(partial(make_client, [guard_token], [partial(heed_limit, emit), make_resumable]))
    try:
        yield
    finally:
        forbid_requests()


def forbid_requests() -> None:
    """Let no request of the hub's library leave this process until the next `connection`."""
    from huggingface_hub import set_client_factory

    set_client_factory(partial(make_client, [refuse_request], []))


def make_client(on_request: list[Callable[[Any], None]], on_response: list[Callable[[Any], None]]) -> Any:
    """The library's own HTTP client with more hooks; redirects pass through them too."""
    from huggingface_hub.utils._http import default_client_factory

    client = default_client_factory()
    hooks = client.event_hooks
    client.event_hooks = {"request": [*hooks["request"], *on_request], "response": [*hooks["response"], *on_response]}
    return client


def refuse_request(request: Any) -> None:
    """Raise what the library raises offline."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    raise OfflineModeIsEnabled(f"no request is made while a model is loaded ({request.url.host})")


def guard_token(request: Any) -> None:
    """Take the token out of a request to anyone who may not have it."""
    if not may_have_token(str(request.url)):
        request.headers.pop("authorization", None)


def heed_limit(emit: Emit, response: Any) -> None:
    """Wait as a 429 asks, so that the next try comes in time. Raises NetworkError where that is a minute or more."""
    if response.status_code != 429:
        return
    wait = seconds_to_wait(response.headers)
    if wait is None:
        return  # the library waits as it sees fit
    if wait >= LONGEST_WAIT:
        raise NetworkError(
            f"the hub answered 429: too many requests; it asks to wait {wait} s",
            hint=f"try again in {wait // 60} min; a token (hf auth login) has higher limits, --offline uses the cache",
        )
    emit(Notice(f"the hub asks to wait {wait} s"))
    time.sleep(wait)
    for name in ("retry-after", "ratelimit"):
        response.headers.pop(name, None)  # or the library would wait once more


def make_resumable(response: Any) -> None:
    """Let a connection that is reset count as one that is closed, after which the library resumes a download."""
    from huggingface_hub.errors import HTTPError

    http: Any = sys.modules[HTTPError.__module__.partition(".")[0]]  # the HTTP library that the hub's library uses

    class ResumableStream(http.SyncByteStream):  # type: ignore[misc]
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        def __iter__(self) -> Iterator[bytes]:
            try:
                yield from self.stream
            except http.ReadError as error:
                raise http.RemoteProtocolError(str(error)) from error

        def close(self) -> None:
            self.stream.close()

    response.stream = ResumableStream(response.stream)


def seconds_to_wait(headers: Mapping[str, str]) -> int | None:
    """How long a 429 asks to wait: RateLimit where it is used up, else Retry-After (seconds or a date), else None."""
    from huggingface_hub.utils import parse_ratelimit_headers

    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return int(limit.reset_in_seconds)
    stated = headers.get("retry-after", "").strip()
    if stated.isdecimal():
        return int(stated)
    try:
        return max(0, round((parsedate_to_datetime(stated) - datetime.now(UTC)).total_seconds()))
    except (TypeError, ValueError):
        return None


def describe(repository: str, revision: str, *, files: bool) -> Any:
    """What the hub tells of a repository at a revision, with sizes and hashes of its files if they are asked for."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    for tried in range(1, TRIES + 1):
        try:
            return HfApi().model_info(
                repository, revision=revision, files_metadata=files, timeout=constants.HF_HUB_ETAG_TIMEOUT
            )
        except HfHubHTTPError as error:
            if error.response is None or error.response.status_code != 429 or tried == TRIES:
                raise
    raise AssertionError("the loop returns or raises")
