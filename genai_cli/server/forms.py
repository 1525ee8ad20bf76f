"""Bodies that are forms (RFC 7578): fields as text, and files, which no other body of a server can hold."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from genai_cli.errors import InputError
from genai_cli.request.input import Input
from genai_cli.request.openai_rows import FORM
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from starlette.datastructures import Headers

MOST_FILES, MOST_FIELDS = 4, 40
FLAGS = {"true": True, "false": False}


def is_form(headers: "Headers") -> bool:
    """Whether a body is a form."""
    return str(headers.get("content-type", "")).partition(";")[0].strip().lower() == FORM


async def read_form(headers: "Headers", data: bytes) -> JsonObject:
    """The fields of a form, files as inputs; a list of files has one entry: `image[]`. Raises InputError."""
    from starlette.formparsers import MultiPartException, MultiPartParser

    async def pieces() -> AsyncIterator[bytes]:
        yield data

    try:
        parser = MultiPartParser(headers, pieces(), max_files=MOST_FILES, max_fields=MOST_FIELDS)
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        words = getattr(error, "message", "its boundary is missing")
        raise InputError(f"the body is not a whole form: {words}") from None
    body: JsonObject = {}
    for label, value in form.multi_items():
        name = label.removesuffix("[]")
        is_list = name != label and isinstance(value, str)
        if name in body and not is_list:
            raise InputError(f"the form names {name!r} more than once", hint="one is taken")
        if is_list:
            body.setdefault(name, []).append(value)
        elif isinstance(value, str):
            body[name] = FLAGS.get(value, value)
        else:
            body[name] = Input.hold(await value.read(), value.filename or name)
    await form.close()
    return body
