"""How a server of OpenAI's API makes the results of a task: what it is asked, and what its answer is.

https://platform.openai.com/docs/api-reference
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace

from genai_cli.content.content import Content
from genai_cli.errors import InputError
from genai_cli.events import Emit
from genai_cli.request.input import Input
from genai_cli.request.option import declared_options
from genai_cli.request.request import PROMPT, Request
from genai_cli.types import JsonObject


@dataclass(frozen=True)
class Call:
    """One call of a server: the path below its address, the body without the model, and the options that it carries."""

    path: str
    body: JsonObject
    parameters: JsonObject
    """Those options as a record holds them."""
    files: Mapping[str, Input] = field(default_factory=dict)
    """The files that go with it, by the API's names: the body is a form then."""


@dataclass(frozen=True)
class Service:
    """How a server makes one result."""

    names: Mapping[str, str]
    """What the API calls the options that a body takes as they are, by their fields."""
    others: frozenset[str]
    """The fields that `build` takes care of."""
    build: Callable[[JsonObject, JsonObject], Call]
    """The call, from what the result is made from and the options that were given. Raises InputError."""
    read: Callable[[Call, JsonObject, Emit], Content]
    """The result that an answer holds. Raises ModelError, ResultError."""
    files: Mapping[str, str] = field(default_factory=dict)
    """What the API calls the files that go with a call, by their fields."""
    answers_file: bool = False
    """Whether the answer is a file, which `read` finds under DATA as bytes."""
    before: Callable[[Call], str] | None = None
    """What is shown before the pieces of a text that is shown as it is made; None where nothing comes in pieces."""

    def make_call(self, request: Request) -> Call:
        """What to ask a server for a request. Raises InputError for options that the API does not have."""
        given = {name: value for name, value in find_given(request).items() if name not in self.files}
        declared = declared_options(type(request))
        unknown = [name for name in given if name not in self.names and name not in self.others]
        if unknown:
            options = " and ".join(declared[name].option.long if name in declared else name for name in unknown)
            do = "does" if len(unknown) == 1 else "do"
            raise InputError(
                f"{options} {do} not work with a server: its API has no such option", hint=f"leave {options} out"
            )
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
        files = {self.files[name]: file for name, file in request.inputs().items() if name in self.files}
        return replace(self.build(request.content(), values), files=files)

    def name_options(self, values: JsonObject) -> JsonObject:
        """The options that a body takes as they are, by their names there."""
        return {self.names[name]: value for name, value in values.items() if name in self.names}


def find_given(request: Request) -> JsonObject:
    """The options of a request that are not at their defaults, by their fields: all that a server is told."""
    found: JsonObject = {}
    for one in fields(request):
        value = getattr(request, one.name)
        default = None if one.default is MISSING else one.default
        if one.name not in (PROMPT, "model") and value != default:
            found[one.name] = value
    return found
