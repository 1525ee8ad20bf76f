"""What every request has in common: its prompt, model and seed, the names of its fields, and checks without torch."""

import functools
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, Union

from genai_cli.errors import InputError, nearest
from genai_cli.model.quantize import check_quantize

MAX_SEED = 2**64 - 1  # torch.Generator.manual_seed takes 64 bits

# An option's name on the command line, in a row and in the settings file, where it is not the field's own.
FIELD_OF_OPTION = {
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "cfg_scale": "guidance_scale",
    "sampler": "scheduler",
    "max_tokens": "max_new_tokens",
}
OPTION_OF_FIELD = {
    "num_inference_steps": "--steps",
    "guidance_scale": "--guidance",
}


class Group(NamedTuple):
    """What requests share that can be made with one loaded model."""

    task: str
    model: str
    unused: frozenset[str]
    """Components of the checkpoint that they do without."""
    quantize: str | None


@dataclass(frozen=True, kw_only=True)
class Request:
    """One thing to make. Subclasses add the options of their task; a field left None takes the model's own default."""

    task: ClassVar[str]
    default_model: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    """The file types that this task can be written as, its default first."""

    prompt: str
    model: str
    seed: int | None = None

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise InputError("the prompt is empty")
        if "\0" in self.prompt:
            raise InputError("the prompt holds a NUL character")
        try:
            self.prompt.encode()
        except UnicodeEncodeError:
            raise InputError("the prompt is not UTF-8") from None
        if not self.model.strip():
            raise InputError("the model's name is empty")
        self.check_range("seed", low=0, high=MAX_SEED)

    def parameters(self) -> dict[str, Any]:
        """Every option that shapes the result, as JSON values."""
        shown = (field.name for field in fields(self) if field.name not in ("prompt", "model"))
        values = {name: getattr(self, name) for name in shown}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @property
    def group(self) -> Group:
        """The group that it belongs to."""
        return Group(self.task, self.model, self.unused_components(), self.quantization())

    def unused_components(self) -> frozenset[str]:
        """Components of the checkpoint that this request does without: neither fetched nor loaded."""
        return frozenset()

    def quantization(self) -> str | None:
        """The bits of the linear weights by name (`int8`), or None where they stay as they are."""
        return None

    def batch_key(self) -> tuple[object, ...]:
        """What requests to the same model share that it can take at once."""
        return ()

    def pace(self) -> str:
        """What of the options decides how long the model takes, in words."""
        return ""

    def length(self) -> int:
        """How long the input is: a group is made of requests about as long as each other."""
        return 0

    def check_files(self, folder: Path) -> None:
        """Raise InputError for what the model in `folder` cannot do, told from its configuration, before it loads."""

    def check_range(self, name: str, *, low: float, high: float = math.inf, above: bool = False) -> None:
        """Raise InputError where the field is set and not in [low, high], or in (low, high] with `above`."""
        value = getattr(self, name)
        if value is None:
            return
        too_low = value <= low if above else value < low
        if too_low or value > high or math.isnan(value):
            wanted = f"above {low:g}" if above else f"{low:g} or more" if high == math.inf else f"{low:g} to {high:g}"
            if above and high != math.inf:
                wanted = f"above {low:g} and at most {high:g}"
            raise InputError(f"{option_of(name)} must be {wanted}, not {value}")

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> Self:
        """A request from a row's fields, named as options or as fields, as JSON values or as text (CSV)."""
        kind: Any = cls
        hints = field_types(kind)
        arguments: dict[str, Any] = {}
        for name, value in values.items():
            field = field_of(name)
            if field == "size":
                arguments["width"], arguments["height"] = parse_size(str(value))
            elif field not in hints:
                options = [*hints, *FIELD_OF_OPTION]
                raise InputError(f"unknown field {name!r} for {cls.task}", hint=nearest(name, options))
            else:
                arguments[field] = convert(value, hints[field], name)
        return cls(**arguments)


@dataclass(frozen=True, kw_only=True)
class QuantizableRequest(Request):
    """A request to a model of transformers, whose linear weights may be put into fewer bits."""

    quantize: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.quantize is not None:
            check_quantize(self.quantize)

    def parameters(self) -> dict[str, Any]:
        """Every option that shapes the result; weights as they are need no mention."""
        values = super().parameters()
        return values if self.quantize else {name: value for name, value in values.items() if name != "quantize"}

    def quantization(self) -> str | None:
        return self.quantize


@functools.cache
def field_types(kind: type[Request]) -> dict[str, Any]:
    """The type of each field of a kind of request."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def read_optional_json(path: Path) -> dict[str, Any]:
    """A JSON object from a checkpoint's file, or {} where there is no such file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


@functools.lru_cache(maxsize=256)  # names come from rows, which may hold any
def field_of(name: str) -> str:
    """The field that an option's or row's name stands for: `cfg-scale` is `guidance_scale`."""
    plain = name.strip().lower().replace("-", "_")
    return FIELD_OF_OPTION.get(plain, plain)


def option_of(field: str) -> str:
    """The option that sets a field: `guidance_scale` is set by `--guidance`."""
    return OPTION_OF_FIELD.get(field, "--" + field.replace("_", "-"))


def parse_size(size: str) -> tuple[int, int]:
    """`WxH` as width and height in pixels."""
    width, separator, height = size.lower().partition("x")
    if not (separator and width.strip().isdecimal() and height.strip().isdecimal()):
        raise InputError(f"--size must be WIDTHxHEIGHT in pixels, such as 512x768, not {size!r}")
    return int(width), int(height)


def convert(value: Any, hint: Any, name: str) -> Any:
    """`value` as the type `hint` says; text is read as a CSV cell, where an empty one is None.

    Raises InputError naming the field.
    """
    wanted, item, optional = accepted(hint)
    if optional and value in (None, ""):
        return None
    if wanted is tuple:
        items = [value] if isinstance(value, str) else value
        if isinstance(items, list | tuple) and all(isinstance(part, item) for part in items):
            return tuple(items)
    elif wanted is bool:
        flags = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if str(value).strip().lower() in flags:
            return flags[str(value).strip().lower()]
    elif wanted is str:
        if isinstance(value, str):
            return value
    elif not isinstance(value, bool):
        try:
            number = wanted(value)
            if wanted is float or float(value) == number:
                return number
        except (TypeError, ValueError, OverflowError):
            pass
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    lists = "a list of objects" if item is dict else "text or a list of texts"
    raise InputError(f"field {name!r} must be {words.get(wanted, lists)}, not {value!r}")


@functools.cache
def accepted(hint: Any) -> tuple[Any, Any, bool]:
    """What a field's type takes: the type itself, of a tuple its items' type, and whether None too."""
    kinds = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
    wanted = next(kind for kind in kinds if kind is not type(None))
    if typing.get_origin(wanted) is not tuple:
        return wanted, None, type(None) in kinds
    item = typing.get_args(wanted)[0]
    return tuple, typing.get_origin(item) or item, type(None) in kinds
