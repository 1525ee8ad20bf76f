"""Rows become orders: requests with the command's options, overridden by each row's own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from genai_cli.errors import GenaiError, InputError, nearest
from genai_cli.modality.audio import AudioRequest
from genai_cli.modality.classify import ClassifyRequest
from genai_cli.modality.image import ImageRequest
from genai_cli.modality.request import Group, Request
from genai_cli.modality.text import TextRequest
from genai_cli.work.job import Order
from genai_cli.work.prompts import BadRow, Row, Rows

KINDS: dict[str, type[Request]] = {
    kind.task: kind for kind in (ImageRequest, TextRequest, ClassifyRequest, AudioRequest)
}
SHOWN_BAD_ROWS = 10
# Fields of a row that are not options of its request.
NUMBER, ID, TASK = "num", "id", "task"


@dataclass(frozen=True)
class Defaults:
    """What a row takes where it says nothing: the options of the command, and how many results."""

    kinds: Mapping[str, type[Request]]
    """The kinds of request that rows may ask for; with one kind alone, a row need not name its task."""
    fields: Mapping[str, Any]
    number: int = 1


@dataclass
class Survey:
    """What a first reading of all rows found."""

    items: int = 0
    bad: int = 0
    first_bad: list[InputError] = field(default_factory=list)
    groups: dict[Group, int] = field(default_factory=dict)
    """How many items each loaded model will make."""

    @property
    def tasks(self) -> set[str]:
        """The tasks that the items are of."""
        return {task for task, _, _ in self.groups}


class Orders:
    """The orders of the rows, in their order; can be iterated again, and holds none of them."""

    def __init__(self, rows: Rows, defaults: Defaults) -> None:
        self.rows = rows
        self.defaults = defaults

    def __iter__(self) -> Iterator[Order]:
        return (order for order in self.read() if isinstance(order, Order))

    def read(self) -> Iterator[Order | BadRow]:
        """Every row as an order or as a bad row."""
        seen: set[str] = set()
        for row in self.rows:
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                order = order_of(row, self.defaults)
                if order.id is not None and order.id in seen:
                    raise InputError(f"the id {order.id!r} stands in an earlier row too")
            except GenaiError as error:
                yield row.bad(error)
                continue
            if order.id is not None:
                seen.add(order.id)
            yield order

    def survey(self) -> Survey:
        """Read all rows once, before anything is loaded."""
        survey = Survey()
        for order in self.read():
            if isinstance(order, BadRow):
                survey.bad += 1
                if len(survey.first_bad) < SHOWN_BAD_ROWS:
                    survey.first_bad.append(order.error)
            else:
                group = order.request.group
                survey.items += order.number
                survey.groups[group] = survey.groups.get(group, 0) + order.number
        return survey


def order_of(row: Row, defaults: Defaults) -> Order:
    """A row's order. Raises InputError for a field that cannot be."""
    kind = kind_of(row, defaults.kinds)
    own = {name: value for name, value in row.fields.items() if name not in (NUMBER, ID, TASK)}
    known = {"model": kind.default_model, **defaults.fields}
    request = kind.from_fields({**known, **own})
    number = row.fields.get(NUMBER, defaults.number)
    if isinstance(number, bool) or not str(number).isdecimal() or int(number) < 1:
        raise InputError(f"--num must be 1 or more, not {number}")
    row_id = row.fields.get(ID)
    if row_id is not None and (isinstance(row_id, bool) or not isinstance(row_id, str | int) or row_id == ""):
        raise InputError(f"the id must be text or a whole number, not {row_id!r}")
    return Order(request, int(number), None if row_id is None else str(row_id))


def kind_of(row: Row, kinds: Mapping[str, type[Request]]) -> type[Request]:
    """The kind of request that a row asks for."""
    task = row.fields.get(TASK)
    if task is None and len(kinds) == 1:
        return next(iter(kinds.values()))
    if task is None:
        raise InputError("no field 'task'", hint=f"one of {', '.join(kinds)}")
    if task not in kinds:
        hint = nearest(str(task), list(kinds)) or f"one of {', '.join(kinds)}"
        raise InputError(f"unknown task {task!r}", hint=hint)
    return kinds[str(task)]
