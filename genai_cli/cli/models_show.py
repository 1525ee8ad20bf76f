"""genai models show: what a model is, what it needs, and what its card says on use and limitations."""

import json
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.cli.command import Given
from genai_cli.cli.console import Console
from genai_cli.cli.models import MENU, make, open_console
from genai_cli.cli.options import MessageOptions, NetworkOptions
from genai_cli.cli.servers import ServerOptions
from genai_cli.errors import ModelError, NetworkError
from genai_cli.events import Notice
from genai_cli.harmless import one_line, remove_controls
from genai_cli.sizes import show_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genai_cli.hub.card import Card
    from genai_cli.hub.catalog import Catalog, KnownModel, ModelKind
    from genai_cli.hub.reference import ModelReference

INDENT = "  "
WIDEST = 100  # columns of a page


def show_model(given: Given) -> int:
    """Print a model's card, and what genai knows of it; of `tiny` a page on all of them, of a server its models."""
    from genai_cli.hub.names import parse_name
    from genai_cli.hub.reference import BUILT_IN
    from genai_cli.modality.registry import load_catalog

    console, options = open_console(given)
    name, catalog, offline = given.arguments[0], load_catalog(), given.read(NetworkOptions).offline
    if name == BUILT_IN:
        show_built_in(catalog, options, console)
        return 0
    reference = parse_name(name, None, catalog)
    if reference.server is not None:
        show_server(reference, given, offline, console)
        return 0
    if reference.file is not None:
        show_file(reference.file, reference, options, console)
        return 0
    known = catalog.find_known(reference.id) if reference.folder is None else None
    card = None
    try:
        card = load_card(reference, offline)
    except (ModelError, NetworkError) as error:
        if known is None:
            raise
        console.emit(Notice(f"{error.message}; what follows is what genai knows"))
    if options.json:
        console.line(json.dumps(build_record(reference, card, known), ensure_ascii=False))
        return 0
    console.line(one_line(f"{reference.id}" + (f" ({card.task})" if card and card.task else "")))
    license = card.license if card else known and known[1].license
    console.line(one_line(f"licence: {license or 'not stated'}"))
    size = measure(reference)
    console.line(f"size here: {show_bytes(size) if size else 'not in the cache'}")
    if known:
        for line in describe(*known):
            console.line(line)
    if card:
        show_sections(card, console)
    return 0


def show_file(file: Path, reference: "ModelReference", options: MessageOptions, console: Console) -> None:
    """What a single-file checkpoint is, as its own header tells."""
    from genai_cli.hub.single_file import describe
    from genai_cli.hub.weights_file import read_header

    kind, header, size = describe(file), read_header(file), file.stat().st_size
    stated = header.metadata.get("modelspec.license")
    record = {"name": reference.id, "kind": kind.words, "dtype": header.find_dtype(), "vae": kind.has_vae}
    record |= {"license": stated, "size": size, "sha256": reference.revision}
    if options.json:
        console.line(json.dumps(record, ensure_ascii=False))
        return
    vae = "with its VAE" if kind.has_vae else "without a VAE: --vae FILE_OR_NAME adds one"
    console.line(one_line(f"{reference.id} ({kind.words}, {record['dtype']}, {vae})"))
    console.line(one_line(f"licence: {stated or 'not stated'}"))
    console.line(f"size here: {show_bytes(size)}")
    console.line(f"sha256: {reference.revision}")


def load_card(reference: "ModelReference", offline: bool) -> "Card":
    """A model's card. Raises ModelError, NetworkError."""
    from genai_cli.hub.cache import read_card
    from genai_cli.hub.card import parse_card

    return parse_card(read_card(reference, offline))


def measure(reference: "ModelReference") -> int:
    """The bytes of a model on this machine."""
    from genai_cli.hub.cache import measure_cached, measure_folder

    return measure_cached(reference.id) if reference.folder is None else measure_folder(reference.folder)


def build_record(
    reference: "ModelReference", card: "Card | None", known: "tuple[ModelKind, KnownModel] | None"
) -> dict[str, object]:
    """The page as one object."""
    sections = [{"title": title, "text": body} for title, body in card.sections] if card else []
    license = card.license if card else known and known[1].license
    record = {"name": reference.id, "task": card and card.task, "license": license, "size": measure(reference)}
    if known:
        model = known[1]
        record |= {"alias": model.alias, "words": model.words, "parameters": model.parameters * 10**6}
        record |= {"download": model.download * 10**6, "options": model.options}
    return {**record, "card": sections}


def describe(kind: "ModelKind", known: "KnownModel") -> "Iterator[str]":
    """What genai knows of a model: what it is good for, what it needs, and a command."""
    from genai_cli.device.machine import describe_machine
    from genai_cli.hub.catalog import MEGABYTE
    from genai_cli.hub.environment import HUB

    machine = describe_machine()
    memory, measured = known.find_memory(machine.device, machine.bytes_each)
    how = "measured" if measured else f"computed from {show_parameters(known.parameters)} parameters, not measured"
    fits = "fits" if machine.fits(memory) else "does not fit"
    yield f"good for: {known.words}"
    yield f"fetch: {show_bytes(known.download * MEGABYTE)}"
    yield f"memory: {show_bytes(memory)} on {machine.device} in {machine.dtype} ({how})"
    yield f"this machine: {show_bytes(machine.memory)} on {machine.device}; it {fits}"
    yield f"command: genai {kind.task} ... -m {known.alias}" + (f" {known.options}" if known.options else "")
    yield f"page: {HUB}/{known.repository}"


def show_parameters(millions: int) -> str:
    """A number of parameters in words."""
    return f"{millions / 1000:.1f} billion" if millions >= 1000 else f"{millions} million"


def show_sections(card: "Card", console: Console) -> None:
    """The sections of a card that matter."""
    for title, body in card.sections:
        console.line(f"\n{one_line(title)}\n{remove_controls(body)}")
    if not card.sections:
        console.line("\nThe card states neither intended use nor limitations.")


def show_built_in(catalog: "Catalog", options: MessageOptions, console: Console) -> None:
    """A page on the built-in models: what they are and what they are for; with -v all that their cards say."""
    for number, task in enumerate(catalog.built_in_tasks()):
        reference = catalog.built_in(task)
        card = load_card(reference, offline=True)
        if options.json:
            console.line(json.dumps(build_record(reference, card, None), ensure_ascii=False))
            continue
        if number:
            console.line("")
        owner = next(kind.task for kind in catalog.kinds if kind.built_in == reference.folder)
        same = f"; the model of {owner}" if owner != task else ""
        console.line(f"{reference.id}, {task}: {card.license}, {show_bytes(measure(reference))}{same}")
        if same:
            continue
        if options.verbose:
            show_sections(card, console)
            continue
        for body in (card.opening, *card.list_uses()):
            for line in wrap(body, min(shutil.get_terminal_size().columns, WIDEST)):
                console.line(f"{INDENT}{line}")
    if not options.json and not options.verbose:
        console.emit(Notice("-v shows the whole cards: how they were trained, and what was measured"))


def wrap(text: str, columns: int) -> "Iterator[str]":
    """Paragraphs and lists of Markdown in so many columns, indentation counted."""
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        if lines and (not line or line.startswith("- ")):
            rest = "  " if lines[0].startswith("- ") else ""
            yield from textwrap.wrap(" ".join(lines), columns - len(INDENT), subsequent_indent=rest)
            lines = []
        if line:
            lines.append(line)


def show_server(reference: "ModelReference", given: Given, offline: bool, console: Console) -> None:
    """The models of a server, or the one that the address names. Raises ModelError, NetworkError."""
    from genai_cli.work.engines.remote import list_served
    from genai_cli.work.engines.server_key import ServerKey

    server = str(reference.server)
    key = ServerKey.read(given.read(ServerOptions).api_key_file, server)
    names = list_served(server, offline, key, console.emit)
    if reference.served is not None and reference.served not in names:
        raise ModelError(f"{server} has no model {reference.served!r}", hint=f"it has {', '.join(names) or 'none'}")
    names = names if reference.served is None else [reference.served]
    if given.read(MessageOptions).json:
        console.line(json.dumps({"server": server, "models": names}, ensure_ascii=False))
        return
    console.line(f"a server: {server}")
    console.line("licence: not known; size: not known")
    for name in names:
        console.line(one_line(f"model: {server}#{name}"))


COMMAND = make("show", MENU[1].summary, show_model, ServerOptions)
