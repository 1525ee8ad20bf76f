"""genai models: what is at hand, what it is, fetching it, taking it away."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from genai_cli.cli.command import CONTEXT, Command, Given, Item, Menu
from genai_cli.cli.console import Console
from genai_cli.cli.options import LicenseOptions, MessageOptions, NetworkOptions
from genai_cli.harmless import one_line, remove_controls
from genai_cli.request.option import MODEL, Option
from genai_cli.sizes import show_bytes

if TYPE_CHECKING:
    from genai_cli.hub.reference import ModelReference

SUMMARY = "List, show, fetch and remove models."
MENU = (
    Item("list", "genai_cli.cli.models:LIST", "List the built-in models and those in the cache."),
    Item("show", "genai_cli.cli.models:SHOW", "Show a model's card: task, licence, size, use and limitations."),
    Item("pull", "genai_cli.cli.models:PULL", "Fetch a model's files now: the same choice of files as a run makes."),
    Item("remove", "genai_cli.cli.models:REMOVE", "Remove a model from the cache, or one revision of it."),
)


class ModelsMenu(Menu):
    """The commands below `genai models`."""

    def list_items(self) -> Sequence[Item]:
        return MENU


def build_menu() -> "typer.core.TyperGroup":
    """The group of commands, as Typer runs it."""
    app = typer.Typer(
        cls=ModelsMenu,
        help=SUMMARY,
        rich_markup_mode=None,
        context_settings=CONTEXT,
        add_completion=False,
    )
    app.callback()(lambda: None)
    group: typer.core.TyperGroup = typer.main.get_command(app)  # type: ignore[assignment]
    return group


def open_console(given: Given) -> tuple[Console, MessageOptions]:
    """What shows messages and results."""
    options = given.read(MessageOptions)
    return options.open_console(), options


def list_models(given: Given) -> int:
    """Print the built-in models and those in the cache, as a table or a record a line."""
    from genai_cli.hub.cache import list_models as list_local_models
    from genai_cli.modality.registry import load_catalog

    console, options = open_console(given)
    models = list_local_models(load_catalog())
    if options.json:
        for model in models:
            used = model.last_used and model.last_used.isoformat(timespec="seconds")
            console.line(json.dumps({**dataclasses.asdict(model), "last_used": used}, ensure_ascii=False))
        return 0
    rows = [("NAME", "COMMIT", "VARIANT", "SIZE", "LAST USED", "LICENCE")]
    for model in models:
        name = f"{model.name} ({model.task})" if model.task else model.name
        last = f"{model.last_used:%Y-%m-%d}" if model.last_used else "built in"
        revision = model.revision[:8] if model.revision else "-"
        size = show_bytes(model.size) + (", partial" if model.partial else "")
        rows.append((name, revision, model.variant or "-", size, last, model.license or "unknown"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (one_line(cell).ljust(width) for cell, width in zip(row, widths, strict=True))
        console.line("  ".join(cells).rstrip())
    return 0


def show_model(given: Given) -> int:
    """Print a model's card; of `tiny` all of them."""
    from genai_cli.hub.names import parse_name
    from genai_cli.hub.reference import BUILT_IN
    from genai_cli.modality.registry import load_catalog

    console, options = open_console(given)
    name, catalog = given.arguments[0], load_catalog()
    built_in = [catalog.built_in(task) for task in catalog.built_in_tasks()]
    references = built_in if name == BUILT_IN else [parse_name(name, None, catalog)]
    for number, reference in enumerate(references):
        if number and not options.json:
            console.line("")
        show_card(reference, given.read(NetworkOptions).offline, options.json, console)
    return 0


def show_card(reference: "ModelReference", offline: bool, as_json: bool, console: Console) -> None:
    """Print one card."""
    from genai_cli.hub.cache import measure_cached, measure_folder, read_card
    from genai_cli.hub.card import parse_card

    card = parse_card(read_card(reference, offline))
    size = measure_cached(reference.id) if reference.folder is None else measure_folder(reference.folder)
    if as_json:
        sections = [{"title": title, "text": body} for title, body in card.sections]
        values = {"name": reference.id, "task": card.task, "license": card.license, "size": size, "card": sections}
        console.line(json.dumps(values, ensure_ascii=False))
        return
    console.line(one_line(f"{reference.id}" + (f" ({card.task})" if card.task else "")))
    console.line(one_line(f"licence: {card.license or 'not stated'}"))
    console.line(f"size here: {show_bytes(size) if size else 'not in the cache'}")
    for title, body in card.sections:
        console.line(f"\n{one_line(title)}\n{remove_controls(body)}")
    if not card.sections:
        console.line("\nThe card states neither intended use nor limitations.")


@dataclass(frozen=True, kw_only=True)
class PullOptions:
    """Which files are fetched."""

    variant: Annotated[
        str, Option("--variant", help="auto (fp16 where complete), none (the plain ones), or a name.", heading=MODEL)
    ] = "auto"


def pull(given: Given) -> int:
    """Fetch a model's files, and print the folder that they are in."""
    from genai_cli.hub.access import Access
    from genai_cli.hub.fetching import fetch, resolve
    from genai_cli.hub.files import FetchOptions
    from genai_cli.hub.license import parse_licenses
    from genai_cli.hub.names import parse_name
    from genai_cli.hub.reference import BUILT_IN
    from genai_cli.modality.registry import load_catalog

    console, options = open_console(given)
    access = Access(given.read(NetworkOptions).offline, parse_licenses(given.read(LicenseOptions).require_license))
    name, catalog = given.arguments[0], load_catalog()
    if name == BUILT_IN:
        console.tell("tiny is built in; there is nothing to fetch")
        return 0
    wanted = FetchOptions(None, catalog, given.read(PullOptions).variant, access=access)
    with closing(console):
        reference = resolve(parse_name(name, None, catalog), access.offline, console.emit)
        files = fetch(reference, wanted, console.emit)
    values = {"id": reference.id, "revision": reference.revision, "folder": str(files.folder)}
    console.line(json.dumps(values) if options.json else str(files.folder))
    return 0


def remove_model(given: Given) -> int:
    """Remove a model from the cache, saying what that frees."""
    from genai_cli.hub.cache import remove
    from genai_cli.hub.names import parse_name
    from genai_cli.modality.registry import load_catalog

    console, options = open_console(given)
    reference = parse_name(given.arguments[0], None, load_catalog())
    freed = remove(reference)
    if options.json:
        console.line(json.dumps({"id": reference.id, "revision": reference.revision, "freed": freed}))
    else:
        console.tell(f"removed {reference}: {show_bytes(freed)} freed")
    return 0


NAME_HELP = "Alias, owner/name, owner/name@revision, or a folder."


def make(name: str, help: str, run: Callable[[Given], int], *classes: type, named: bool = True) -> Command:
    """One of the commands."""
    argument = "NAME" if named else None
    return Command(
        name,
        help,
        run,
        (*classes, NetworkOptions, MessageOptions),
        argument,
        NAME_HELP,
        single=True,
        takes_settings=False,
    )


LIST = make(
    "list",
    "List the built-in models and those in the cache: name, commit, variant, size, last use, licence.",
    list_models,
    named=False,
)
SHOW = make("show", MENU[1].summary, show_model)
PULL = make("pull", MENU[2].summary, pull, PullOptions, LicenseOptions)
REMOVE = make(
    "remove",
    "Remove a model from the cache (or one revision of it: owner/name@revision), saying what that frees.",
    remove_model,
)
