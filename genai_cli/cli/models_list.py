"""genai models list: the models on this machine, and those that can be fetched by a short name."""

import dataclasses
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from genai_cli.cli.command import Given
from genai_cli.cli.console import Console
from genai_cli.cli.models import make, open_console
from genai_cli.events import Notice
from genai_cli.harmless import one_line, shorten
from genai_cli.request.option import OUTPUT, Option
from genai_cli.sizes import show_bytes

if TYPE_CHECKING:
    from genai_cli.device.machine import Machine
    from genai_cli.hub.cache import CachedModel
    from genai_cli.hub.catalog import Catalog

GAP = 2  # columns between those of a table


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """Which models are listed."""

    here: Annotated[bool, Option("--here", help="Only the models on this machine.", heading=OUTPUT)] = False


def list_models(given: Given) -> int:
    """Print the models on this machine, then those that genai knows, as two tables or a record a line."""
    from genai_cli.device.machine import describe_machine
    from genai_cli.hub.cache import list_models as list_local_models
    from genai_cli.modality.registry import load_catalog

    console, options = open_console(given)
    catalog = load_catalog()
    local = list_local_models(catalog)
    print_local = print_local_records if options.json else print_local_table
    print_local(local, console)
    if given.read(ListOptions).here:
        return 0
    whole = {model.name for model in local if not model.partial}
    entries = list(list_entries(catalog, whole, machine := describe_machine()))
    if options.json:
        for entry in entries:
            console.line(json.dumps(dataclasses.asdict(entry), ensure_ascii=False))
        return 0
    console.line("")
    print_known_table(entries, console)
    for line in explain(machine):
        console.emit(Notice(line))
    return 0


def explain(machine: "Machine") -> "Iterator[str]":
    """What the columns mean."""
    yield f"memory is of a whole run on {machine.device} in {machine.dtype}, which has {show_bytes(machine.memory)}"
    yield "~ was not measured here: it is computed from the number of parameters"
    yield "-m NAME in a command fetches a model; genai models show NAME says more"


def print_local_records(models: "Sequence[CachedModel]", console: Console) -> None:
    """A record a line; the key `here` tells them from those that can be fetched."""
    for model in models:
        used = model.last_used and model.last_used.isoformat(timespec="seconds")
        record = {**dataclasses.asdict(model), "last_used": used, "here": True}
        console.line(json.dumps(record, ensure_ascii=False))


def print_local_table(models: "Sequence[CachedModel]", console: Console) -> None:
    """The built-in models and those in the cache."""
    rows = [("NAME", "COMMIT", "VARIANT", "SIZE", "LAST USED", "LICENCE")]
    for model in models:
        name = f"{model.name} ({model.task})" if model.task else model.name
        last = f"{model.last_used:%Y-%m-%d}" if model.last_used else "built in"
        revision = model.revision[:8] if model.revision else "-"
        size = show_bytes(model.size) + (", partial" if model.partial else "")
        rows.append((name, revision, model.variant or "-", size, last, model.license or "unknown"))
    print_table(rows, console)


@dataclass(frozen=True)
class Entry:
    """A model that genai knows, as this machine sees it. Sizes are in bytes."""

    name: str
    alias: str
    task: str
    words: str
    download: int
    memory: int
    measured: bool
    """Whether the memory was measured; otherwise it is computed from the number of parameters."""
    fits: bool
    license: str
    here: bool


def list_entries(catalog: "Catalog", whole: set[str], machine: "Machine") -> "Iterator[Entry]":
    """The models of the catalog; `whole` are the names of those on this machine."""
    from genai_cli.hub.catalog import MEGABYTE

    for kind in catalog.kinds:
        for known in kind.known:
            memory, measured = known.find_memory(machine.device, machine.bytes_each)
            yield Entry(
                known.repository,
                known.alias,
                kind.task,
                known.words,
                known.download * MEGABYTE,
                memory,
                measured,
                machine.fits(memory),
                known.license,
                known.repository in whole,
            )


def print_known_table(entries: Sequence[Entry], console: Console) -> None:
    """The models that can be fetched; on a narrow terminal without what they are good for."""
    rows: list[tuple[str, ...]] = [("NAME", "TASK", "FETCH", "MEMORY", "FITS", "LICENCE", "GOOD FOR")]
    for entry in entries:
        fetch = "here" if entry.here else show_bytes(entry.download)
        memory = ("" if entry.measured else "~") + show_bytes(entry.memory)
        fits = "yes" if entry.fits else "no"
        rows.append((entry.alias, entry.task, fetch, memory, fits, entry.license, entry.words))
    if sys.stdout.isatty() and measure_width(rows) > shutil.get_terminal_size().columns:
        rows = [row[:-1] for row in rows]
    print_table(rows, console)


def measure_width(rows: Sequence[Sequence[str]]) -> int:
    """The columns that a table takes."""
    return sum(measure_columns(rows)) + GAP * (len(rows[0]) - 1)


def measure_columns(rows: Sequence[Sequence[str]]) -> list[int]:
    """The width of each column."""
    return [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]


def print_table(rows: Sequence[Sequence[str]], console: Console) -> None:
    """The rows in columns. On a terminal, a name that takes too much room stands on a line of its own."""
    rows = [[one_line(cell) for cell in row] for row in rows]
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    widths = measure_columns(rows)
    if columns is not None and measure_width(rows) > columns:
        widths[0] = max(len(rows[0][0]), columns - sum(widths[1:]) - GAP * (len(widths) - 1))
    for first, *rest in rows:
        if len(first) > widths[0]:
            console.line(first)
            first = ""
        cells = [first, *rest]
        line = (" " * GAP).join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        console.line(line if columns is None else shorten(line, columns))


COMMAND = make(
    "list",
    "List the models on this machine, and those that can be fetched by a short name: size, memory, licence.",
    list_models,
    ListOptions,
    named=False,
)
