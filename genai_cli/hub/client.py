"""The one way to the hub: when requests may leave, who gets the token, and how long a refusal is waited out.

Rate limits: https://huggingface.co/docs/hub/rate-limits
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from genai_cli.errors import NetworkError
from genai_cli.events import Emit, Notice
from genai_cli.hub.environment import may_have_token
from genai_cli.hub.private import find_http_library, make_default_client

if TYPE_CHECKING:
    from httpx2 import Client, Request, Response
    from huggingface_hub import ModelInfo

LONGEST_WAIT = 60  # seconds; a user who is asked to wait longer gets an error instead
TRIES = 3  # of a request that the library does not repeat itself


@contextmanager
def allow_requests(emit: Emit) -> Iterator[None]:
    """Let requests go to the hub inside the block. After it none can: loading a model never asks the network."""
    from huggingface_hub import set_client_factory

    set_client_factory(partial(make_client, [guard_token], [partial(heed_limit, emit), make_resumable]))
    try:
        yield
    finally:
        forbid_requests()


def forbid_requests() -> None:
    """Let no request of the hub's library leave this process until the next `allow_requests`."""
    from huggingface_hub import set_client_factory

    set_client_factory(partial(make_client, [refuse_request], []))


def make_client(
    on_request: Sequence[Callable[["Request"], object]], on_response: Sequence[Callable[["Response"], object]]
) -> "Client":
    """The library's own HTTP client with more hooks. The hooks see redirects too."""
    client = make_default_client()
    hooks = client.event_hooks
    client.event_hooks = {"request": [*hooks["request"], *on_request], "response": [*hooks["response"], *on_response]}
    return client


def refuse_request(request: "Request") -> None:
    """Raise the error that the library raises offline."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    raise OfflineModeIsEnabled(f"no request is made while a model is loaded ({request.url.host})")


def guard_token(request: "Request") -> None:
    """Remove the token from a request to an address that may not have it."""
    if not may_have_token(str(request.url)):
        request.headers.pop("authorization", None)


def heed_limit(emit: Emit, response: "Response") -> None:
    """Wait as long as a 429 asks, so that the next try comes in time. Raises NetworkError for a minute or more."""
    if response.status_code != 429:
        return
    wait = read_wait(response.headers)
    if wait is None:
        return  # the library chooses how long to wait
    if wait >= LONGEST_WAIT:
        raise NetworkError(
            f"the hub answered 429: too many requests; it asks to wait {wait} s",
            hint=f"try again in {wait // 60} min; a token (hf auth login) has higher limits, --offline uses the cache",
        )
    emit(Notice(f"the hub asks to wait {wait} s"))
    time.sleep(wait)
    for name in ("retry-after", "ratelimit"):
        response.headers.pop(name, None)  # otherwise the library would wait once more


def make_resumable(response: "Response") -> None:
    """Report a connection that is reset as one that is closed, because the library then resumes the download."""
    if TYPE_CHECKING:
        import httpx2 as http
    else:
        http = find_http_library()

    class ResumableStream(http.SyncByteStream):
        def __init__(self, stream: http.SyncByteStream) -> None:
            self.stream = stream

        def __iter__(self) -> Iterator[bytes]:
            try:
                yield from self.stream
            except http.ReadError as error:
                raise http.RemoteProtocolError(str(error)) from error

        def close(self) -> None:
            self.stream.close()

    if isinstance(response.stream, http.SyncByteStream):
        response.stream = ResumableStream(response.stream)


def read_wait(headers: Mapping[str, str]) -> int | None:
    """The seconds that a 429 asks to wait, or None if it does not say.

    RateLimit counts if it is used up, otherwise Retry-After, which is a number of seconds or a date.
    """
    from email.utils import parsedate_to_datetime

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


def request_info(repository: str, revision: str, *, files: bool) -> "ModelInfo":
    """What the hub says about a repository at a revision; with `files`, also the sizes and hashes of its files.

    Raises the errors of huggingface_hub, and NetworkError for a long wait.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    tried = 1
    while True:
        try:
            return HfApi().model_info(
                repository, revision=revision, files_metadata=files, timeout=constants.HF_HUB_ETAG_TIMEOUT
            )
        except HfHubHTTPError as error:
            if error.response is None or error.response.status_code != 429 or tried == TRIES:
                raise
        tried += 1
