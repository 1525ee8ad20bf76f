"""What is asked for: a request holds every option that shapes one result, checked without torch.

Requests know no model and no library. Each task has a class of its own beside its modality.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple, Self

from genai_cli.errors import InputError
from genai_cli.request.adapter import Adapter, Vae
from genai_cli.request.input import Input
from genai_cli.request.made_in import MadeIn
from genai_cli.request.option import (
    MODEL,
    OUTPUT,
    Option,
    accepted_types,
    check_ranges,
    declared_options,
    field_types,
    keep_result,
    read_mapping,
)
from genai_cli.types import JsonObject

MAX_SEED = 2**64 - 1  # torch.Generator.manual_seed takes 64 bits
PROMPT = "prompt"


class ModelNeeds(NamedTuple):
    """What of a request decides which model is loaded: requests that agree in it are made by one loaded model."""

    task: str
    model: str
    unused: frozenset[str] = frozenset()
    """Components of the checkpoint that the request does without."""
    quantize: str | None = None
    made_in: MadeIn | None = None
    """How the result was made that is to be made again."""
    vae: Vae | None = None
    """The VAE that takes the place of the checkpoint's own."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One thing to make. Subclasses add the options of their task; a field left None takes the model's own default."""

    task: ClassVar[str]
    default_model: ClassVar[str]
    subject: ClassVar[str] = PROMPT
    """The field that the command's arguments, the lines of a prompts file and --column fill."""
    derived: ClassVar[tuple[str, ...]] = ()
    """The parameters that follow from a file where none is given: they are chosen again for another file."""
    instead: ClassVar[str | None] = None
    """The field of a file that a row may fill in place of the subject: a picture in place of a text."""
    synonyms: ClassVar[Mapping[str, str]] = {}
    """Further words of a row for fields that no option sets: `text` for the prompt."""
    last: ClassVar[str | None] = None
    """The field that the last argument fills, where the others fill the subject: the prompt after the pictures."""

    model: Annotated[
        str,
        Option(
            "-m",
            "--model",
            help="Alias, owner/name, owner/name@revision, folder, or http://HOST:PORT/v1#NAME; tiny is built in.",
            heading=MODEL,
            per_task=True,
        ),
    ]
    seed: Annotated[
        int | None,
        Option(
            "--seed",
            help="Seed of the first result of a prompt; drawn and recorded if not given or -1.",
            low=0,
            high=MAX_SEED,
            heading=OUTPUT,
            needs="draws",
            unset=-1,
        ),
    ] = None

    def __post_init__(self) -> None:
        for name, value in list_unset(type(self)):
            if getattr(self, name) == value:
                object.__setattr__(self, name, None)
        if not self.model.strip():
            raise InputError("the model's name is empty")
        check_ranges(self)

    @property
    def title(self) -> str:
        """What the result is called by: the prompt, or the name of the file that it is made from."""
        return next((file.name for file in self.inputs().values()), self.task)

    def inputs(self) -> dict[str, Input]:
        """The files that the result is made from, by their fields."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if isinstance(value, Input)}

    def carry(self) -> Self:
        """The request with the content of its files: a worker may be on a machine, or in a folder, without them."""
        own = list_inputs(type(self))
        changes: JsonObject = {name: file.carry() for name, file in self.inputs().items() if name in own}
        return replace(self, **changes) if changes else self

    def adapters(self) -> dict[str, tuple[Adapter, ...]]:
        """The files that change the model, by their fields; those of fields that name none are left out."""
        values = {name: getattr(self, name) for name in list_adapters(type(self))}
        found = {name: value if isinstance(value, tuple) else (value,) for name, value in values.items() if value}
        return {name: adapters for name, adapters in found.items() if adapters}

    def attach(self, known: Mapping[Adapter, Adapter]) -> Self:
        """The request with what was found out about its adapters."""
        changes: JsonObject = {}
        for name, adapters in self.adapters().items():
            pairs = [(adapter, known.get(adapter.alone())) for adapter in adapters]
            found = tuple(adapter if about is None else adapter.take(about) for adapter, about in pairs)
            changes[name] = found if isinstance(getattr(self, name), tuple) else found[0]
        return replace(self, **changes) if changes else self

    def content(self) -> JsonObject:
        """What the result is made from, as a record holds it."""
        files = {name: file.record() for name, file in self.inputs().items()}
        adapters = {name: [adapter.record() for adapter in several] for name, several in self.adapters().items()}
        return {**({"inputs": files} if files else {}), **({"adapters": adapters} if adapters else {})}

    def parameters(self) -> JsonObject:
        """Every option that shapes the result, as JSON values."""
        declared = declared_options(type(self))
        values = {name: getattr(self, name) for name in list_parameters(type(self))}
        for name, field in declared.items():
            if field.option.omit_default and values.get(name) == field.default:
                del values[name]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def list_subjects(cls) -> list[str]:
        """The fields and words of a row that may say what the result is made from, the subject first."""
        words = [word for word, field in cls.synonyms.items() if field == cls.subject]
        return [cls.subject, *words, *([cls.instead] if cls.instead else [])]

    def needs(self) -> ModelNeeds:
        """Which model it takes, and how that is loaded."""
        return ModelNeeds(self.task, self.model)

    @classmethod
    def choose_model(cls, values: Mapping[str, object], folder: Path) -> str:
        """The model where a row with these fields names none; the paths of files are relative to `folder`."""
        del values, folder
        return cls.default_model

    @classmethod
    def plan(cls, model: str) -> ModelNeeds:
        """What a request to a model needs where it leaves all options at their defaults."""
        return ModelNeeds(cls.task, model)

    def batch_key(self) -> tuple[object, ...]:
        """What requests to the same model share that it can take at once."""
        return ()

    def pace(self) -> str:
        """What of the options decides how long the model takes, in words."""
        return ""

    def length(self) -> int:
        """How long the input is: requests that are made at once are about as long as each other."""
        return 0

    @classmethod
    def find_synonym(cls, name: str, names: Collection[str]) -> str:
        """The field that a row's word means, where it is another name of one that the row does not name itself."""
        meant = cls.synonyms.get(name, name)
        return name if meant in names else meant

    @classmethod
    def from_fields(cls, values: Mapping[str, object], folder: Path = Path()) -> Self:
        """A request from a row's fields, named as options or as fields, as JSON values or as text (CSV).

        The paths of files are relative to `folder`. Raises InputError.
        """
        arguments: JsonObject = read_mapping(cls, values, folder)
        return cls(**arguments)


@keep_result
def list_unset(request_class: type[Request]) -> list[tuple[str, object]]:
    """The fields of which a value stands for None, with that value."""
    declared = declared_options(request_class)
    return [(name, field.option.unset) for name, field in declared.items() if field.option.unset is not None]


def list_inputs(request_class: type[Request]) -> list[str]:
    """The fields that hold a file."""
    return [name for name, hint in field_types(request_class).items() if accepted_types(hint)[0] is Input]


@keep_result
def list_adapters(request_class: type[Request]) -> list[str]:
    """The fields that hold files which change the model."""
    types = {name: accepted_types(hint) for name, hint in field_types(request_class).items()}
    kinds = {name: item if wanted is tuple else wanted for name, (wanted, item, _) in types.items()}
    return [name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Adapter)]


@keep_result
def list_parameters(request_class: type[Request]) -> list[str]:
    """The fields that a record holds as parameters: all but prompt, files, model, and what stands for other fields."""
    declared = declared_options(request_class)
    left_out = {PROMPT, "model", *list_inputs(request_class), *list_adapters(request_class)}
    left_out |= {name for name, field in declared.items() if not field.option.recorded}
    return [field.name for field in fields(request_class) if field.name not in left_out]


@dataclass(frozen=True, kw_only=True)
class PromptRequest(Request):
    """A request whose result is made from words."""

    prompt: str

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise InputError("the prompt is empty")
        if "\0" in self.prompt:
            raise InputError("the prompt holds a NUL character")
        try:
            self.prompt.encode()
        except UnicodeEncodeError:
            raise InputError("the prompt is not UTF-8") from None
        super().__post_init__()

    @property
    def title(self) -> str:
        return self.prompt

    def content(self) -> JsonObject:
        return {PROMPT: self.prompt, **super().content()}


@dataclass(frozen=True, kw_only=True)
class QuantizableRequest(Request):
    """A request to a model of transformers, whose linear weights may be put into fewer bits."""

    quantize: Annotated[
        str | None,
        Option(
            "--quantize",
            help="int8 or int4: linear weights in 8 or 4 bits; less memory, other results.",
            choices=("int8", "int4"),
            heading=MODEL,
            extra=("torchao", "quantize"),
            omit_default=True,
        ),
    ] = None

    def needs(self) -> ModelNeeds:
        return super().needs()._replace(quantize=self.quantize)
