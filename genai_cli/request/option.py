"""An option is declared once, on the field that it sets; everything that names, shows or checks it reads that.

A field is declared as `steps: Annotated[int | None, Option("--steps", help="...", low=1)] = None`, on the request of a
task or on a class of options that several commands share.
"""

import functools
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, Union

from genai_cli.errors import InputError, nearest
from genai_cli.request.adapter import Adapter
from genai_cli.request.input import Input

# The headings of a command's help, in their order; a task's own options come first.
OWN, OUTPUT, MODEL, BATCHES, MESSAGES = "Options", "Output", "Model and device", "Batches", "Messages"
HEADINGS = (OWN, OUTPUT, MODEL, BATCHES, MESSAGES)
PREFIX = "GENAI_"
LARGEST = 2**63 - 1  # of a number without a limit of its own: the libraries take 64 bits
LARGEST_EXPONENT = 25  # of a whole number that is written as 1e25
SHOWN_DIGITS = 40


@dataclass(frozen=True)
class Option:
    """How a field is set: its names on the command line, the help, and which values are allowed.

    `default` says in words what None stands for. `choices` are offered by the shell's completion and named where a
    value is none of them. `needs` names a fact of a modality without which the option means nothing.
    """

    names: tuple[str, ...]
    help: str
    low: float | None = None
    high: float = math.inf
    above: bool = False
    """Whether `low` itself is excluded."""
    metavar: str | None = None
    default: str | None = None
    choices: Sequence[str] | Callable[[], Sequence[str]] = ()
    complete: Callable[[str], Iterable[str]] | None = None
    """What completes an unfinished word, where the values cannot be listed."""
    heading: str | None = None
    """Where the help shows it; None: under the heading of its class, else among the task's own options."""
    needs: str | None = None
    per_task: bool = False
    """Whether GENAI_TASK_NAME comes before GENAI_NAME in the environment."""
    recorded: bool = True
    """Whether the field itself shapes a result; one that stands for other fields does not."""
    omit_default: bool = False
    """Whether a record says nothing of the field at its default. An option that an existing task gets needs this: the
    keys of jobs hash what a record says, and may not change."""
    sets: tuple[str, ...] = ()
    """The fields that a value stands for, in the order in which `parse` gives their values."""
    parse: Callable[[str], tuple[object, ...]] | None = None
    instead: tuple[str, str] | None = None
    """A word that is not a value of the field but switches on another one: `alpha` in place of a file."""
    turns_to: str | None = None
    """The task that the command is of where the option is given: another one, with another kind of model."""
    unset: object = None
    """A value that stands for None, as other programs write it: seed -1 means "draw one"."""
    extra: tuple[str, str] | None = None
    """The module that the option needs, and the extra of the package that brings it."""

    def __init__(self, *names: str, help: str, **more: Any) -> None:
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "help", help)
        for name, value in more.items():
            if name not in self.__dataclass_fields__:
                raise TypeError(f"an option has no {name!r}")
            object.__setattr__(self, name, value)

    @property
    def long(self) -> str:
        """The first long name, without the one that switches it off: `--metadata`."""
        return next(name for name in self.names if name.startswith("--")).partition("/")[0]

    @property
    def variable(self) -> str:
        """The environment variable: GENAI_ and the first long name."""
        return PREFIX + self.long.removeprefix("--").upper().replace("-", "_")

    @property
    def words(self) -> set[str]:
        """The names that a row or a settings file may use: `cfg_scale` for `--cfg-scale`."""
        return {name.partition("/")[0].lstrip("-").replace("-", "_") for name in self.names if name.startswith("--")}

    def allowed(self) -> Sequence[str]:
        """The values that can be listed; none where any value of the type may do."""
        return self.choices() if callable(self.choices) else self.choices

    def check(self, value: object) -> None:
        """Raise InputError where the value is out of range, none of the choices, or needs what is not installed."""
        if value is None or value == self.unset or value == ():
            return
        allowed = self.allowed()
        if allowed and value not in allowed:
            what = self.long.removeprefix("--").replace("-", " ")
            hint = nearest(str(value), list(allowed)) or f"one of {', '.join(allowed)}"
            raise InputError(f"unknown {what} {value!r}", hint=hint)
        if self.extra is not None and find_spec(self.extra[0]) is None:
            module, extra = self.extra
            hint = f"pip install 'genai-cli[{extra}]'"
            raise InputError(f"{self.long} needs {module}, which is not installed", hint=hint)
        for number in value if isinstance(value, tuple) else (value,):
            if self.low is not None and isinstance(number, int | float) and not isinstance(number, bool):
                self.check_range(number, self.low)

    def check_range(self, value: float, low: float) -> None:
        """Raise InputError where a number is out of range."""
        too_low = value <= low if self.above else value < low
        is_nan = isinstance(value, float) and math.isnan(value)  # which takes no large whole number
        if too_low or value > self.high or is_nan:
            raise InputError(f"{self.long} must be {self.range_words()}, not {value}")
        if value > max(LARGEST, self.high if self.high < math.inf else 0):
            raise InputError(f"{self.long} is too large: {str(value)[:SHOWN_DIGITS]}")

    def range_words(self) -> str:
        """The allowed range: `1 to 1000`, `above 0 and at most 1`, `1 or more`."""
        low, high = show_number(self.low or 0), show_number(self.high)
        if self.above:
            return f"above {low}" if self.high == math.inf else f"above {low} and at most {high}"
        return f"{low} or more" if self.high == math.inf else f"{low} to {high}"


def show_number(number: float) -> str:
    """A limit with all its digits; a whole one without a point."""
    whole = isinstance(number, int) or number.is_integer()
    return str(int(number)) if whole else repr(number)


@dataclass(frozen=True)
class Declared:
    """A field that an option sets: its name, the type of its value, and the default."""

    name: str
    option: Option
    hint: object
    default: object
    heading: str


Kept = TypeVar("Kept")


def keep_result(function: Callable[[type], Kept]) -> Callable[[type], Kept]:
    """functools.cache for a function of a class; mypy takes the hash of a dataclass for that of its instances."""
    return functools.cache(function)


@keep_result
def declared_options(owner: type) -> dict[str, Declared]:
    """The options of a class by their fields, in the order in which they are declared."""
    hints = typing.get_type_hints(owner, include_extras=True)
    found = {}
    for field in fields(owner):
        option = next(
            (part for part in getattr(hints[field.name], "__metadata__", ()) if isinstance(part, Option)), None
        )
        if option is not None:
            hint = typing.get_args(hints[field.name])[0]
            default = field.default if field.default is not MISSING else None
            heading = str(option.heading or getattr(owner, "heading", OWN))
            found[field.name] = Declared(field.name, option, hint, default, heading)
    return found


@keep_result
def field_types(owner: type) -> dict[str, object]:
    """The type of each field of a class, without what is annotated to it."""
    hints = typing.get_type_hints(owner)
    return {field.name: hints[field.name] for field in fields(owner)}


@keep_result
def fields_by_word(owner: type) -> dict[str, str]:
    """The field that each word means, a field's own name among them."""
    declared = declared_options(owner)
    words = {word: name for name, field in declared.items() for word in field.option.words}
    synonyms: Mapping[str, str] = getattr(owner, "synonyms", {})
    return words | dict(synonyms) | {name: name for name in field_types(owner)}


def plain(name: str) -> str:
    """An option's name as a word: `cfg-scale` is `cfg_scale`."""
    return name.strip().lower().replace("-", "_")


def find_field(owner: type, word: str) -> str:
    """The field that a word of a row or a settings file stands for: `cfg-scale` is `guidance_scale`.

    A word that names no field is returned as a field's name would be written.
    """
    name = plain(word)
    return fields_by_word(owner).get(name, name)


@keep_result
def checked_options(owner: type) -> list[tuple[str, Option]]:
    """The fields whose values need a check; a batch makes a hundred thousand requests."""
    options = ((name, declared.option) for name, declared in declared_options(owner).items())
    return [(name, option) for name, option in options if option.low is not None or option.choices or option.extra]


def check_ranges(values: object) -> None:
    """Raise InputError for the first field whose value its option does not allow."""
    for name, option in checked_options(type(values)):
        value = getattr(values, name)
        if value is not None:
            option.check(value)


FLAGS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def convert(value: object, hint: object, name: str, folder: Path = Path()) -> object:
    """`value` as the type `hint` says; text is read as a CSV cell, where an empty one is None.

    A file's path is relative to `folder`. Raises InputError naming the field.
    """
    wanted, item, optional = accepted_types(hint)
    if optional and value in (None, ""):
        return None
    if wanted is Input:
        return Input.find(value, folder, name)
    if isinstance(wanted, type) and issubclass(wanted, Adapter):
        return wanted.find(value, folder, name)
    if wanted is tuple and isinstance(item, type) and issubclass(item, Adapter):
        named = value if isinstance(value, list | tuple) else [value]
        return tuple(item.find(part, folder, name) for part in named)
    if wanted is Path and isinstance(value, str | Path):
        return Path(value)
    if wanted is tuple:
        items = read_items(value, item)
        if items is not None:
            return items
    elif wanted is bool and str(value).strip().lower() in FLAGS:
        return FLAGS[str(value).strip().lower()]
    elif type(value) is wanted:
        return value
    elif wanted in (int, float) and not isinstance(value, bool):
        number = read_number(value, wanted)
        if number is not None:
            return number
    lists = {dict: "a list of objects", float: "a number or a list of numbers"}.get(item, "text or a list of texts")
    label = name if name.startswith("-") else f"field {name!r}"
    raise InputError(f"{label} must be {WORDS.get(wanted, lists)}, not {value!r}")


def read_items(value: object, item: type) -> tuple[object, ...] | None:
    """A list, or a single text or number, as a tuple of items of a type; None where it is none."""
    items = [value] if isinstance(value, str) or (item is float and not isinstance(value, list | tuple)) else value
    if not isinstance(items, list | tuple):
        return None
    read = [None if isinstance(part, bool) else read_number(part, float) for part in items] if item is float else items
    return tuple(read) if all(isinstance(part, item) for part in read) else None


def read_number(value: Any, wanted: type[int] | type[float]) -> int | float | None:
    """A value from anywhere as a number of that type, or None where it is none.

    The same rule holds for text and for numbers of JSON or TOML: 2.0 and 2e3 are whole numbers, 2.5 is not.
    """
    try:
        if wanted is int and isinstance(value, str):
            return read_whole(value)
        number = wanted(value)
        return number if wanted is float or value == number else None
    except (TypeError, ValueError, OverflowError):
        return None


def read_whole(text: str) -> int | None:
    """A text as a whole number, or None. No digit is lost: a float would round those of a large seed."""
    try:
        return int(text)
    except ValueError:
        from decimal import Decimal, InvalidOperation

        try:
            number = Decimal(text.strip())
        except InvalidOperation:
            return None
        # 1e999999999 would fill the memory.
        fits = number.is_finite() and number.adjusted() < LARGEST_EXPONENT
        return int(number) if fits and number == number.to_integral_value() else None


@functools.cache
def accepted_types(hint: Any) -> tuple[Any, Any, bool]:
    """What a field's type takes: the type itself, of a tuple its items' type, and whether None too."""
    parts = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
    wanted = next(part for part in parts if part is not type(None))
    if typing.get_origin(wanted) is not tuple:
        return wanted, None, type(None) in parts
    item = typing.get_args(wanted)[0]
    return tuple, typing.get_origin(item) or item, type(None) in parts


class FieldReader(NamedTuple):
    """How the value of a field is read: its name, its type, that type without None, and its option."""

    name: str
    hint: object
    wanted: object
    option: Option | None


@keep_result
def readers_by_word(owner: type) -> dict[str, FieldReader]:
    """How each field is read, by all words that mean it."""
    hints, declared = field_types(owner), declared_options(owner)
    return {
        word: FieldReader(
            name, hints[name], accepted_types(hints[name])[0], declared[name].option if name in declared else None
        )
        for word, name in fields_by_word(owner).items()
    }


def read_mapping(owner: type, values: Mapping[str, object], folder: Path = Path()) -> dict[str, object]:
    """The fields that named values set, each of its type; of two values for one field the later one holds.

    Raises InputError for a name or a value that cannot be.
    """
    readers = readers_by_word(owner)
    found: dict[str, object] = {}
    for word, value in values.items():
        reader = readers.get(word) or readers.get(find_field(owner, word))
        if reader is None:
            whose = f" for {owner.task}" if hasattr(owner, "task") else ""
            raise InputError(f"unknown field {word!r}{whose}", hint=nearest(word, list(readers)))
        option = reader.option
        if option is not None and option.parse is not None:
            found.update(zip(option.sets, option.parse(str(value)), strict=True))
        elif option is not None and option.instead is not None and value == option.instead[0]:
            found[option.instead[1]] = True
        elif type(value) is reader.wanted and value != "":
            found[reader.name] = value  # as in most rows
        else:
            found[reader.name] = convert(value, reader.hint, word, folder)
    return found
