"""Pictures from a server."""

from genai_cli.content.openai_answers import DATA, read_picture
from genai_cli.content.picture import Picture
from genai_cli.errors import InputError, ResultError
from genai_cli.events import Emit
from genai_cli.modality.service import Call, Service
from genai_cli.request.input import Input
from genai_cli.request.request import PROMPT
from genai_cli.types import JsonObject

SIZE = ("width", "height")


def build_call(content: JsonObject, values: JsonObject) -> Call:
    """One picture, in the answer itself. Raises InputError for half a size."""
    size = [values[name] for name in SIZE if name in values]
    if len(size) == 1:
        raise InputError("a server needs width and height together", hint="--size WIDTHxHEIGHT names both")
    asked = {"size": f"{size[0]}x{size[1]}"} if size else {}
    body = {PROMPT: content[PROMPT], "n": 1, "response_format": DATA, **SERVICE.name_options(values), **asked}
    return Call("images/generations", body, values)


def read_answer(call: Call, answer: JsonObject, emit: Emit) -> Picture:
    """The picture, decoded within bounds. Raises ModelError, ResultError."""
    del call
    try:
        return Picture.read(Input.hold(read_picture(answer), "the server's picture"), emit)
    except InputError as error:
        raise ResultError(error.message) from None


SERVICE = Service(names={"seed": "seed"}, others=frozenset(SIZE), build=build_call, read=read_answer)
