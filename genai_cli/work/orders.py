"""Rows become orders: requests with the command's options, overridden by each row's own.

All rows are read once. The orders stand in a temporary file from then on, so that each model's are taken up without
reading the rows again, and memory does not grow with them.
"""

import pickle
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from genai_cli.errors import GenaiError, InputError, nearest
from genai_cli.hub.address import is_address, parse_address
from genai_cli.hub.names import parse_name
from genai_cli.modality.registry import list_endpoints, load_catalog
from genai_cli.request.adapter import Adapter
from genai_cli.request.openai_rows import is_openai, translate
from genai_cli.request.option import declared_options, find_field, read_number
from genai_cli.request.records import is_record, read_record_row
from genai_cli.request.request import PROMPT, ModelNeeds, Request
from genai_cli.request.rows import BadRow, Row, Rows, is_utf8, lacks_field
from genai_cli.types import JsonObject
from genai_cli.work.job import Order

SHOWN_BAD_ROWS = 10
IN_MEMORY = 4_000_000  # bytes of orders that are kept in memory before they go to a file
# Fields of a row that are not options of its request.
NUMBER, ID, TASK = "num", "id", "task"
MODEL = "model"


@dataclass(frozen=True)
class Defaults:
    """What a row takes where it says nothing: the options of the command, and how many results."""

    requests: Mapping[str, type[Request]]
    """The tasks that rows may ask for; with one task alone, a row need not name it."""
    fields: Mapping[str, object]
    number: int = 1


@dataclass
class Survey:
    """What was found when all rows were read."""

    items: int = 0
    bad: int = 0
    first_bad: list[InputError] = field(default_factory=list)
    needs: dict[ModelNeeds, int] = field(default_factory=dict)
    """How many items each loaded model will make."""
    columns: tuple[str, ...] = ()
    """The columns of the table, or the fields of all rows in the order in which they first came."""
    openai: int = 0
    """How many of the items come from rows of OpenAI's format."""
    suffixes: set[str | None] = field(default_factory=set)
    """The file types that rows ask for; None where one leaves it to the command."""
    adapters: set[Adapter] = field(default_factory=set)
    """The files that change models."""

    @property
    def tasks(self) -> set[str]:
        """The tasks that the items are of."""
        return {needs.task for needs in self.needs}


class Orders:
    """All orders of a run; reads the rows once, and holds none of them in memory."""

    def __init__(self, rows: Rows, defaults: Defaults) -> None:
        self.survey = Survey()
        # The system removes the file when the program ends.
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        self.offsets: dict[ModelNeeds, array[int]] = {}
        self.end = 0
        self.adapters: Mapping[Adapter, Adapter] = {}
        """What was found out about the files that change models, since the rows were read."""
        columns: tuple[str, ...] = ()
        for entry in read_entries(rows, defaults):
            row = entry.row
            if row.columns is not columns:
                columns = row.columns
                self.survey.columns += tuple(name for name in columns if name not in self.survey.columns)
            self.add(entry)

    def add(self, entry: Order | BadRow) -> None:
        """Keep an entry, and count it."""
        survey = self.survey
        if isinstance(entry, BadRow):
            survey.bad += 1
            if len(survey.first_bad) < SHOWN_BAD_ROWS:
                survey.first_bad.append(entry.error)
        else:
            needs = entry.request.needs()._replace(made_in=entry.row.made_in)
            survey.items += entry.number
            survey.needs[needs] = survey.needs.get(needs, 0) + entry.number
            survey.openai += entry.number if is_openai(entry.row.fields) else 0
            survey.suffixes.add(entry.suffix)
            for several in entry.request.adapters().values():
                survey.adapters.update(adapter.alone() for adapter in several)
            self.offsets.setdefault(needs, array("q")).append(self.end)
        data = pickle.dumps(entry, pickle.HIGHEST_PROTOCOL)
        self.file.write(data)
        self.end += len(data)

    def entries(self) -> Iterator[Order | BadRow]:
        """Every row as an order or as a bad row, in their order."""
        offset = 0
        while offset < self.end:
            self.file.seek(offset)
            entry: Order | BadRow = pickle.load(self.file)
            offset = self.file.tell()  # another iteration may move it before the next one
            yield entry

    def __iter__(self) -> Iterator[Order]:
        return (self.attach(entry) for entry in self.entries() if isinstance(entry, Order))

    def select(self, needs: ModelNeeds) -> Iterator[Order]:
        """The orders that one loaded model makes, in their order."""
        for offset in self.offsets[needs]:
            self.file.seek(offset)
            order: Order = pickle.load(self.file)
            yield self.attach(order)

    def attach(self, order: Order) -> Order:
        """An order with what was found out about the files that change its model."""
        return replace(order, request=order.request.attach(self.adapters)) if self.adapters else order


def read_entries(rows: Rows, defaults: Defaults) -> Iterator[Order | BadRow]:
    """Every row as orders or as a bad row; an id may stand once."""
    folder: Path = getattr(rows, "folder", Path())
    seen: set[str] = set()
    index = 0
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            orders = make_orders(row, defaults, folder, index)
            ids = [order.id for order in orders if order.id is not None]
            repeated = next((row_id for row_id in ids if row_id in seen), None)
            if repeated is not None:
                raise InputError(f"the id {repeated!r} stands in an earlier row too")
        except GenaiError as error:
            yield row.bad(error)
            continue
        seen.update(ids)
        index += sum(order.number for order in orders)
        yield from orders


def make_orders(row: Row, defaults: Defaults, folder: Path = Path(), index: int = 0) -> list[Order]:
    """A row's orders: one, or one for each prompt of a request in OpenAI's format. Raises InputError.

    Paths are relative to `folder`; `index` is the place of the first result.
    """
    if not is_openai(row.fields):
        return [make_order(row.fields, row, defaults, folder, index)]
    if len(defaults.requests) == 1:
        raise InputError("a request in OpenAI's batch format", hint="genai batch takes it as it is")
    given = defaults.fields.get("model")
    translation = translate(row.fields, list_endpoints(), None if given is None else str(given))
    if given is None:
        for fields in translation.rows:
            check_known(fields)
    orders: list[Order] = []
    for fields in translation.rows:
        orders.append(make_order(fields, row, defaults, folder, index, translation.suffix))
        index += orders[-1].number
    return orders


def check_known(fields: JsonObject) -> None:
    """Raise InputError where a request names a hosted model, and the command names none in its place."""
    if "model" in fields:
        try:
            parse_name(fields["model"], fields[TASK], load_catalog())
        except GenaiError:
            hint = "-m NAME runs it with a model of yours"
            raise InputError(f"the model {fields['model']!r} is not available here", hint=hint) from None


def make_order(
    fields: JsonObject, row: Row, defaults: Defaults, folder: Path, index: int, suffix: str | None = None
) -> Order:
    """The order of a row with these fields. Raises InputError for a field that cannot be."""
    if is_record(fields) and len(defaults.requests) == 1:
        fields = read_record_row(fields, next(iter(defaults.requests.values())))
    request_class = select_request(fields, defaults.requests)
    own = {name: value for name, value in fields.items() if name not in (NUMBER, ID, TASK)}
    own = {request_class.find_synonym(name, own): value for name, value in own.items()}
    for name, value in fields.items():
        check_texts(name, value)
    check_words(request_class, own)
    check_subjects(request_class, own, row)
    if PROMPT in own and not isinstance(own[PROMPT], str):
        raise InputError(f"the prompt must be text, not {own[PROMPT]!r}")
    stated_fields = {**defaults.fields, **own}
    if MODEL not in stated_fields:
        stated_fields = {MODEL: request_class.choose_model(stated_fields, folder), **stated_fields}
    request = request_class.from_fields(stated_fields, folder)
    if is_address(request.model):
        parse_address(request.model)
    stated = fields.get(NUMBER, defaults.number)
    number = None if isinstance(stated, bool) else read_number(stated, int)
    if number is None or number < 1:
        raise InputError(f"--num must be 1 or more, not {stated}")
    row_id = fields.get(ID)
    if row_id is not None and (isinstance(row_id, bool) or not isinstance(row_id, str | int) or row_id == ""):
        raise InputError(f"the id must be text or a whole number, not {row_id!r}")
    return Order(request, int(number), None if row_id is None else str(row_id), suffix, row, index)


def check_subjects(request_class: type[Request], own: JsonObject, row: Row) -> None:
    """Raise InputError where a row does not say what its result is made from."""
    for needed in (request_class.subject, request_class.last):
        if needed is None or needed in own:
            continue
        found = {find_field(request_class, word) for word in own}
        if needed not in found and (needed != request_class.subject or request_class.instead not in found):
            raise lacks_field(needed, row)


def check_texts(name: str, value: object) -> None:
    """Raise InputError for a text that UTF-8 cannot hold, which JSON can state, or with a NUL."""
    texts: Iterable[object] = value if isinstance(value, list) else (value,)
    for text in texts:
        if isinstance(text, str) and not is_utf8(text):
            raise InputError(f"the field {name!r} is not UTF-8")
        if isinstance(text, str) and "\0" in text:
            raise InputError(f"the field {name!r} holds a NUL character")


def check_words(request_class: type[Request], own: JsonObject) -> None:
    """Raise InputError where two words of a row set one field: the later one would win in silence."""
    declared = declared_options(request_class)
    setters: dict[str, str] = {}
    for word in own:
        name = find_field(request_class, word)
        option = declared[name].option if name in declared else None
        sets = option.sets if option is not None and option.parse is not None else ()  # --fast gives way, --size not
        for target in (name, *sets):
            earlier = setters.setdefault(target, word)
            if earlier != word:
                raise InputError(
                    f"the fields {earlier!r} and {word!r} set the same option", hint="leave one of them out"
                )


def select_request(fields: JsonObject, requests: Mapping[str, type[Request]]) -> type[Request]:
    """The request class of the task that a row asks for."""
    task = fields.get(TASK)
    if task is None and len(requests) == 1:
        return next(iter(requests.values()))
    if task is None:
        raise InputError("no field 'task'", hint=f"one of {', '.join(requests)}")
    if task not in requests:
        hint = nearest(str(task), list(requests)) or f"one of {', '.join(requests)}"
        raise InputError(f"unknown task {task!r}", hint=hint)
    return requests[str(task)]
