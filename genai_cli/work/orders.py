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
from genai_cli.work.openai_requests import is_openai, translate
from genai_cli.work.prompts import BadRow, Row, Rows, is_utf8

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
    columns: tuple[str, ...] = ()
    """The columns of the table, or the fields of all rows in the order in which they first came."""
    openai: int = 0
    """How many of the items come from rows of OpenAI's format."""

    @property
    def tasks(self) -> set[str]:
        """The tasks that the items are of."""
        return {group.task for group in self.groups}


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
                orders = orders_of(row, self.defaults)
                ids = [order.id for order in orders if order.id is not None]
                repeated = next((row_id for row_id in ids if row_id in seen), None)
                if repeated is not None:
                    raise InputError(f"the id {repeated!r} stands in an earlier row too")
            except GenaiError as error:
                yield row.bad(error)
                continue
            seen.update(ids)
            yield from orders

    def survey(self) -> Survey:
        """Read all rows once, before anything is loaded."""
        survey = Survey()
        columns: tuple[str, ...] = ()
        for order in self.read():
            if isinstance(order, BadRow):
                survey.bad += 1
                if len(survey.first_bad) < SHOWN_BAD_ROWS:
                    survey.first_bad.append(order.error)
            else:
                group = order.request.group
                survey.items += order.number
                survey.groups[group] = survey.groups.get(group, 0) + order.number
                survey.openai += order.number if is_openai(order.row.fields) else 0
            if order.row.columns is not columns:
                columns = order.row.columns
                known = survey.columns
                survey.columns += tuple(name for name in columns if name not in known)
        return survey


def orders_of(row: Row, defaults: Defaults) -> list[Order]:
    """A row's orders: one, or one for each prompt of a request in OpenAI's format. Raises InputError."""
    if not is_openai(row.fields):
        return [order_of(row.fields, row, defaults)]
    if len(defaults.kinds) == 1:
        raise InputError("a request in OpenAI's batch format", hint="genai batch takes it as it is")
    translation = translate(row.fields, defaults.fields.get("model"))
    return [order_of(fields, row, defaults, translation.suffix) for fields in translation.rows]


def order_of(fields: Mapping[str, Any], row: Row, defaults: Defaults, suffix: str | None = None) -> Order:
    """The order of a row with these fields. Raises InputError for a field that cannot be."""
    kind = kind_of(fields, defaults.kinds)
    own = {name: value for name, value in fields.items() if name not in (NUMBER, ID, TASK)}
    for name, value in own.items():
        check_texts(name, value)
    request = kind.from_fields({"model": kind.default_model, **defaults.fields, **own})
    number = fields.get(NUMBER, defaults.number)
    if isinstance(number, bool) or not str(number).isdecimal() or int(number) < 1:
        raise InputError(f"--num must be 1 or more, not {number}")
    row_id = fields.get(ID)
    if row_id is not None and (isinstance(row_id, bool) or not isinstance(row_id, str | int) or row_id == ""):
        raise InputError(f"the id must be text or a whole number, not {row_id!r}")
    return Order(request, int(number), None if row_id is None else str(row_id), suffix, row)


def check_texts(name: str, value: Any) -> None:
    """Raise InputError where a field's text cannot be: JSON can say what no text in UTF-8 holds."""
    for text in value if isinstance(value, list) else (value,):
        if isinstance(text, str) and not text.isascii() and not is_utf8(text):
            raise InputError(f"the field {name!r} is not UTF-8")
        if isinstance(text, str) and "\0" in text:
            raise InputError(f"the field {name!r} holds a NUL character")


def kind_of(fields: Mapping[str, Any], kinds: Mapping[str, type[Request]]) -> type[Request]:
    """The kind of request that a row asks for."""
    task = fields.get(TASK)
    if task is None and len(kinds) == 1:
        return next(iter(kinds.values()))
    if task is None:
        raise InputError("no field 'task'", hint=f"one of {', '.join(kinds)}")
    if task not in kinds:
        hint = nearest(str(task), list(kinds)) or f"one of {', '.join(kinds)}"
        raise InputError(f"unknown task {task!r}", hint=hint)
    return kinds[str(task)]
