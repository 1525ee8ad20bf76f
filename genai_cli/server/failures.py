"""Errors as OpenAI's API answers them.

https://platform.openai.com/docs/guides/error-codes
"""

from typing import TYPE_CHECKING

from genai_cli.errors import DeviceError, GenaiError, InputError, ModelError, OutputError, RefusedError
from genai_cli.server.answering import BusyError
from genai_cli.server.live_gallery import AwayError

if TYPE_CHECKING:
    from starlette.responses import JSONResponse


class SlowError(GenaiError):
    """The client takes too long to say what it asks for."""


# The status of each kind of error, the nearest kind first; any other is 500.
STATUSES: tuple[tuple[type[GenaiError], int], ...] = (
    (BusyError, 503),
    (AwayError, 503),
    (SlowError, 408),
    (InputError, 400),
    (ModelError, 404),
    (RefusedError, 403),
    (DeviceError, 503),
    (OutputError, 507),
)
RETRY_SECONDS = 5


def answer_error(status: int, message: str, code: str | None = None) -> "JSONResponse":
    """An error in OpenAI's shape."""
    from starlette.responses import JSONResponse

    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    headers = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer, Basic realm="genai"'
    if status == 408:
        headers["Connection"] = "close"  # the rest of its body may still come
    return JSONResponse(body, status, headers)


def explain(error: GenaiError) -> "JSONResponse":
    """The answer for an error of genai's."""
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
    code = "model_not_found" if isinstance(error, ModelError) else None
    return answer_error(status, f"{error.message} ({error.hint})" if error.hint else error.message, code)
