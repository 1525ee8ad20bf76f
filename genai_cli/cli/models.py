"""genai models: the menu of its commands, fetching a model, and taking it away."""

import json
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from genai_cli.cli.command import Command, Given, Item, build_group
from genai_cli.cli.console import Console
from genai_cli.cli.options import LicenseOptions, MessageOptions, NetworkOptions, read_access
from genai_cli.errors import GenaiError, InputError
from genai_cli.events import Notice
from genai_cli.request.option import MODEL, Option
from genai_cli.sizes import show_bytes
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from typer.core import TyperGroup

    from genai_cli.hub.fetching import ModelFiles

SUMMARY = "List, show, fetch and remove models."
MENU = (
    Item(
        "list",
        "genai_cli.cli.models_list:COMMAND",
        "List the models here, and those that can be fetched by a short name.",
    ),
    Item("show", "genai_cli.cli.models_show:COMMAND", "Show a model's card: task, licence, size, use and limitations."),
    Item("pull", "genai_cli.cli.models:PULL", "Fetch a model's files now: the same choice of files as a run makes."),
    Item("remove", "genai_cli.cli.models:REMOVE", "Remove a model from the cache, or one revision of it."),
)


def build_menu() -> "TyperGroup":
    """The group of commands, as Typer runs it."""
    return build_group(SUMMARY, MENU)


def open_console(given: Given) -> tuple[Console, MessageOptions]:
    """What shows messages and results."""
    options = given.read(MessageOptions)
    return options.open_console(), options


@dataclass(frozen=True, kw_only=True)
class PullOptions:
    """Which files are fetched."""

    variant: Annotated[
        str, Option("--variant", help="auto (fp16 where complete), none (the plain ones), or a name.", heading=MODEL)
    ] = "auto"


def pull(given: Given) -> int:
    """Fetch a model's files, and those of other models that it needs, and print the folder that its own are in."""
    from genai_cli.hub.fetching import fetch, fetch_companions, resolve
    from genai_cli.hub.files import FetchOptions
    from genai_cli.hub.names import parse_name
    from genai_cli.hub.reference import BUILT_IN
    from genai_cli.modality.registry import list_companions, load_catalog

    console, options = open_console(given)
    access = read_access(given)
    name, catalog = given.arguments[0], load_catalog()
    if name == BUILT_IN:
        console.tell("tiny is built in; there is nothing to fetch")
        return 0
    wanted = FetchOptions(None, catalog, given.read(PullOptions).variant, access=access)
    reference = parse_name(name, None, catalog)
    if reference.server is not None:
        raise InputError(f"{reference} is a server's model; there is nothing to fetch")
    with closing(console):
        reference = resolve(reference, access.offline, console.emit)
        files = fetch(reference, wanted, console.emit)
        files = fetch_companions(files, list_companions(files.folder), wanted, console.emit)
    for other in files.companions.values():
        console.emit(Notice(f"{other.reference.id}, which {reference.id} needs, is in {other.folder}"))
    others = [describe(other) for other in files.companions.values()]
    values = describe(files) | ({"companions": others} if others else {})
    console.line(json.dumps(values) if options.json else str(values["folder"]))
    return 0


def describe(files: "ModelFiles") -> JsonObject:
    """Which model was fetched, and where it is."""
    reference = files.reference
    return {"id": reference.id, "revision": reference.revision, "folder": str(files.single or files.folder)}


def remove_model(given: Given) -> int:
    """Remove a model from the cache, saying what that frees, and what it alone needed beside it."""
    from genai_cli.hub.cache import measure_cached, remove
    from genai_cli.hub.names import parse_name
    from genai_cli.modality.registry import load_catalog

    console, options = open_console(given)
    reference = parse_name(given.arguments[0], None, load_catalog())
    needed = list_needed(reference.id)
    freed = remove(reference)
    alone = sorted(needed - list_needed()) if needed else []
    left = {name: size for name in alone if (size := measure_cached(name))}
    if options.json:
        values: JsonObject = {"id": reference.id, "revision": reference.revision, "freed": freed}
        console.line(json.dumps(values | ({"companions": [*left]} if left else {})))
    else:
        console.tell(f"removed {reference}: {show_bytes(freed)} freed")
    for name, size in left.items():
        what = f"{name}, which only {reference.id} needed, is still there"
        console.emit(Notice(f"{what}: genai models remove {name} frees {show_bytes(size)}"))
    return 0


def list_needed(owner: str | None = None) -> set[str]:
    """The other repositories that a model in the cache needs; without a name, that any of them needs."""
    from genai_cli.hub.cache import list_snapshots
    from genai_cli.modality.registry import list_companions

    needed: set[str] = set()
    for folder in list_snapshots(owner):
        with suppress(GenaiError):  # a model whose files are broken says nothing, and can be removed
            needed.update(list_companions(folder))
    return needed


NAME_HELP = "Alias, owner/name, owner/name@revision, a folder, or (show) a server: http://HOST:PORT/v1."


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


PULL = make("pull", MENU[2].summary, pull, PullOptions, LicenseOptions)
REMOVE = make(
    "remove",
    "Remove a model from the cache (or one revision of it: owner/name@revision), saying what that frees.",
    remove_model,
)
