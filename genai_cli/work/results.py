"""The results of a batch as one file, in the order of its rows: records, or the rows with what was made of them."""

import csv
import io
import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genai_cli.content.content import Content
from genai_cli.content.record import to_json
from genai_cli.modality.registry import find_modality
from genai_cli.request.rows import BadRow, Row
from genai_cli.store.one_file import OneFile
from genai_cli.types import JsonObject
from genai_cli.work.job import References
from genai_cli.work.openai_results import openai_lines
from genai_cli.work.orders import Orders, Survey
from genai_cli.work.runner import list_jobs

KINDS = {".jsonl": ".jsonl", ".ndjson": ".jsonl", ".csv": ".csv", ".tsv": ".csv"}
"""The file types that hold all results, and which of two kinds each is: JSON lines or a table."""
FILE_TYPES = tuple(KINDS)
ERROR = "error"
PREFIX = "genai_"  # of the added columns, where the input has one of these names


def list_wholes(tasks: Iterable[str]) -> tuple[str, ...]:
    """The forms of their medium that results of one task can be written in, all in one file; none for several tasks."""
    contents = [find_modality(task).content for task in tasks]
    return contents[0].wholes if len(contents) == 1 else ()


def find_one_file(path: Path, survey: Survey) -> str | None:
    """The kind of the one file of all results that a path stands for; None where each result has a file of its own."""
    if path.is_dir() or set(str(path)) & set("{}"):
        return None
    wholes, suffix = list_wholes(survey.tasks), path.suffix.lower()
    whole = next((end for end in wholes if path.name.lower().endswith(end)), None)
    is_own = all(suffix in find_modality(task).content.suffixes for task in survey.tasks)
    if whole is None and is_own and survey.items == 1:
        return None  # a type of the medium itself, such as the TSV of a transcript
    return whole or KINDS.get(suffix)


@dataclass(frozen=True)
class Form:
    """How results stand in one file: .jsonl, .csv or a form of the medium, whether its lines are the rows of a table,
    or OpenAI's."""

    suffix: str
    is_table: bool
    is_openai: bool = False
    delimiter: str = ","


class Results:
    """The records of all items in the order of their rows; holds where each stands, and none of them."""

    def __init__(self, orders: Orders, file: OneFile, offsets: Sequence[int]) -> None:
        self.orders = orders
        self.file = file
        self.offsets = offsets

    def records(self) -> Iterator[JsonObject]:
        """The records."""
        return map(self.file.read_record, self.offsets)

    def __iter__(self) -> Iterator[tuple[Row, JsonObject]]:
        """Each record with its row; of a bad row, what is wrong with it."""
        records = self.records()
        for entry in self.orders.entries():
            if isinstance(entry, BadRow):
                yield entry.row, {"status": "bad", ERROR: entry.error.message}
                continue
            for _ in range(entry.number):
                yield entry.row, next(records)


def place_results(orders: Orders, references: References, file: OneFile, form: Form) -> bool:
    """Write the file if every item is finished and at least one is done; whether it was written. Raises OutputError."""
    offsets, statuses = array("q"), []
    for job in list_jobs(orders, references, file):
        offset = file.offsets.get(job.key)
        if offset is None:
            return False
        offsets.append(offset)
        statuses.append(file.is_finished(job.key) == "done")
    if not any(statuses):
        return False
    file.assemble(list_files(form, Results(orders, file, offsets)), all_done=all(statuses))
    return True


def list_files(form: Form, results: "Results") -> dict[str, Iterable[bytes]]:
    """The pieces of the file, by "", and of one that stands beside it, by what its name has more."""
    survey = results.orders.survey
    content = find_modality(next(iter(survey.tasks))).content
    if form.suffix not in content.wholes:
        return {"": (line.encode(errors="replace") for line in choose_lines(form, survey)(results))}
    gathered = content.gather(form.suffix, results.records, len(results.offsets))
    beside = {} if gathered.beside is None else {gathered.suffix: gathered.beside}
    return {**beside, "": gathered.pieces}


def choose_lines(form: Form, survey: Survey) -> Callable[[Results], Iterator[str]]:
    """What makes the lines of a form."""
    if form.is_openai:
        return openai_lines
    if form.suffix == ".jsonl" and not form.is_table:
        return lambda results: (f"{to_json(record)}\n" for _, record in results)
    return lambda results: table_lines(results, survey, form)


def table_lines(results: Results, survey: Survey, form: Form) -> Iterator[str]:
    """The rows as they stood, with what was made of them in columns of their own; an error's where there is one."""
    content: type[Content] = find_modality(next(iter(survey.tasks))).content
    columns = survey.columns or (find_modality(next(iter(survey.tasks))).request.subject,)
    count, has_error = 1, survey.bad > 0
    found: dict[str, None] = {}
    for record in results.records():
        found |= dict.fromkeys(content.own_columns(record))
        count = max(count, content.count_cells(record))
        has_error = has_error or ERROR in record
    own_names = list(found)
    names = tell_apart([*content.columns(count), *own_names, *([ERROR] if has_error else [])])
    while set(names) & set(columns):
        names = [PREFIX + name for name in names]
    if form.suffix == ".csv":
        yield csv_line([*columns, *names], form.delimiter)
    names_in_json = tell_apart(columns)
    for row, record in results:
        for cells in content.rows(record, count):
            answers = [*cells, *content.own_cells(record, own_names), *([record.get(ERROR)] if has_error else [])]
            if form.suffix == ".csv":
                yield csv_line([*arrange_cells(row, columns), *answers], form.delimiter)
            else:
                own = names_in_json if row.columns == columns else row.columns
                stood = dict(zip(own, row.cells, strict=False)) or dict(row.fields)
                yield f"{to_json({**stood, **dict(zip(names, answers, strict=True))})}\n"


def arrange_cells(row: Row, columns: Sequence[str]) -> list[object]:
    """A row's cells under the columns; where its number of cells is wrong, those that have a column."""
    if row.columns == columns:
        return [*row.cells, *[None] * len(columns)][: len(columns)]
    fields = dict(zip(row.columns, row.cells, strict=False)) or row.fields
    return [fields.get(column) for column in columns]


def tell_apart(columns: Sequence[str]) -> list[str]:
    """The columns' names, with a number where one stands again: an object of JSON takes each name once."""
    found: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in found:
            number += 1
            name = f"{column}_{number}"
        found.append(name)
    return found


def csv_line(cells: Sequence[object], delimiter: str = ",") -> str:
    """One line of CSV: text as it is, nothing as an empty cell, anything else as JSON."""
    line = io.StringIO()
    texts = ["" if cell is None else cell if isinstance(cell, str) else json.dumps(cell) for cell in cells]
    csv.writer(line, delimiter=delimiter, lineterminator="\n").writerow(texts)
    return line.getvalue()
