"""What differs among results: the axes of a grid, where each combination of their values is there once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from genai_cli.gallery.item import Item
from genai_cli.request.option import declared_options
from genai_cli.request.request import PROMPT

MODEL, SEED = "model", "seed"
LEFT_OUT = frozenset({"generation_config"})


@dataclass(frozen=True)
class Axis:
    """A field with the values that it takes, smallest first where they are numbers."""

    name: str
    values: tuple[object, ...]


@dataclass(frozen=True)
class Grid:
    """Results by the values of two or more axes: the last axis runs to the right, all others down."""

    axes: tuple[Axis, ...]
    cells: dict[tuple[object, ...], int]
    """The place of each result by its values."""

    @property
    def rows(self) -> list[tuple[object, ...]]:
        """The values of all axes but the last, row by row."""
        return list(product(*(axis.values for axis in self.axes[:-1])))


def list_fields(item: Item) -> dict[str, object]:
    """What may differ: the prompt, the model, and each parameter."""
    parameters = item.record.get("parameters")
    stated = parameters if isinstance(parameters, dict) else {}
    plain = {name: value for name, value in stated.items() if not isinstance(value, list | dict)}
    named = {PROMPT: item.title, MODEL: item.text("model", "id")}
    return {name: value for name, value in (named | plain).items() if name not in LEFT_OUT}


def find_axes(items: Sequence[Item]) -> list[Axis]:
    """The fields in which results differ, in the order in which records hold them."""
    fields = [list_fields(item) for item in items]
    names = dict.fromkeys(name for one in fields for name in one)
    values = {name: tuple(dict.fromkeys(one.get(name) for one in fields)) for name in names}
    return [Axis(name, sort_values(several)) for name, several in values.items() if len(several) > 1]


def sort_values(values: tuple[object, ...]) -> tuple[object, ...]:
    """Numbers by size; anything else as it came."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return tuple(sorted(values, key=lambda value: float(str(value))))
    return values


def find_grid(items: Sequence[Item]) -> Grid | None:
    """The grid that results fill; None where they fill none, or differ in one field alone."""
    axes = find_axes(items)
    # Each picture may have a seed of its own; then it is not an axis.
    if len(axes) > 1 and prod(len(axis.values) for axis in axes) != len(items):
        axes = [axis for axis in axes if axis.name != SEED]
    if len(axes) < 2 or prod(len(axis.values) for axis in axes) != len(items):
        return None
    names = [axis.name for axis in axes]
    cells = {tuple(list_fields(item).get(name) for name in names): place for place, item in enumerate(items)}
    return Grid(tuple(axes), cells) if len(cells) == len(items) else None


def tell_value(item: Item, name: str, value: object) -> str:
    """A value with the name of its option; a prompt speaks for itself."""
    return show_value(value) if name == PROMPT else f"{name_field(item, name)} {show_value(value)}"


def name_field(item: Item, name: str) -> str:
    """What a field is called on the command line: `steps` for `num_inference_steps`."""
    from genai_cli.modality.registry import list_requests

    request_class = list_requests().get(item.text("task"))
    declared = declared_options(request_class) if request_class else {}
    return declared[name].option.long.removeprefix("--") if name in declared else name


def show_value(value: object) -> str:
    """A value as an axis names it."""
    is_whole = isinstance(value, float) and value.is_integer()
    return "none" if value is None or value == "" else f"{value:g}" if is_whole else str(value)
