"""Where in a table a row's prompt is: in one column, or in several that a template joins."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Self

from genai_cli.errors import InputError


@dataclass(frozen=True)
class Source:
    """The columns that make a prompt. All other columns are data and set no options."""

    option: str
    """The option that names the columns, for messages."""
    columns: tuple[str, ...]
    pieces: tuple[tuple[str, str | None], ...]
    """Text, each with the column whose cell follows it."""

    @classmethod
    def of_column(cls, name: str) -> Self:
        """One column, as it is."""
        return cls("--column", (name,), (("", name),))

    @classmethod
    def of_template(cls, text: str) -> Self:
        """A text with columns in braces: `a {colour} {shape}`; `{{` and `}}` are braces. Raises InputError."""
        hint = 'it looks like "a {colour} {shape}"; {{ and }} stand for braces'
        try:
            parsed = list(Formatter().parse(text))
        except ValueError as error:
            raise InputError(f"--template is broken: {error}", hint=hint) from None
        if any(spec or conversion or name == "" for _, name, spec, conversion in parsed):
            raise InputError("--template takes names of columns in braces and nothing else", hint=hint)
        columns = tuple(dict.fromkeys(name for _, name, *_ in parsed if name is not None))
        if not columns:
            raise InputError("--template names no column", hint=hint)
        return cls("--template", columns, tuple((literal, name) for literal, name, *_ in parsed))

    def fill(self, cells: Mapping[str, object]) -> object:
        """The prompt of a row that has all columns: the cell itself, or a text of several."""
        if len(self.pieces) == 1 and self.pieces[0][0] == "":
            return cells[self.columns[0]]
        return "".join(text + ("" if name is None else show_cell(cells[name])) for text, name in self.pieces)


def show_cell(cell: object) -> str:
    """A cell as text; what is not a text in a row of JSON is JSON."""
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)


def select_source(column: str | None, template: str | None) -> Source | None:
    """Where the user says that prompts are. Raises InputError."""
    if column is not None and template is not None:
        raise InputError("--column and --template both say where the prompt is", hint="give one of them")
    if column is not None:
        return Source.of_column(column)
    return None if template is None else Source.of_template(template)
