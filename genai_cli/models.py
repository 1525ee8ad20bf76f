"""genai models: what is at hand, what it is, fetching it, taking it away."""

import dataclasses
import json
from typing import Annotated, Any

import typer

from genai_cli.console import Console, harmless, one_line
from genai_cli.options import CONTEXT, CommonOptions, license_option, option, takes

app = typer.Typer(
    help="List, show, fetch and remove models.", no_args_is_help=True, rich_markup_mode=None, context_settings=CONTEXT
)

Name = Annotated[str, typer.Argument(help="Alias, owner/name, owner/name@revision, or a folder.", show_default=False)]


@app.command("list")
@takes(CommonOptions, "common")
def list_models(common: CommonOptions) -> None:
    """List the built-in models and those in the cache: name, commit, variant, size, last use, licence."""
    from genai_cli.model.cache import list_models as models_at_hand

    console = Console(quiet=common.quiet, verbose=common.verbose)
    models = models_at_hand()
    if common.json:
        for model in models:
            used = model.last_used and model.last_used.isoformat(timespec="seconds")
            console.line(json.dumps({**dataclasses.asdict(model), "last_used": used}, ensure_ascii=False))
        return
    rows = [("NAME", "COMMIT", "VARIANT", "SIZE", "LAST USED", "LICENCE")]
    for model in models:
        name = f"{model.name} ({model.task})" if model.task else model.name
        used = f"{model.last_used:%Y-%m-%d}" if model.last_used else "built in"
        revision = model.revision[:8] if model.revision else "-"
        rows.append((name, revision, model.variant or "-", show_bytes(model.size), used, model.license or "unknown"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (one_line(cell).ljust(width) for cell, width in zip(row, widths, strict=True))
        console.line("  ".join(cells).rstrip())


@app.command("show")
@takes(CommonOptions, "common")
def show_model(name: Name, common: CommonOptions) -> None:
    """Show a model's card: task, licence, size, intended use and limitations."""
    from genai_cli.model.names import BUILT_IN, built_in, built_in_tasks, parse_name

    references = [built_in(task) for task in built_in_tasks()] if name == BUILT_IN else [parse_name(name, "image")]
    console = Console(quiet=common.quiet, verbose=common.verbose)
    for number, reference in enumerate(references):
        if number and not common.json:
            console.line("")
        show_card(reference, common, console)


def show_card(reference: Any, common: CommonOptions, console: Console) -> None:
    """Print one card."""
    from genai_cli.model.cache import folder_size, read_card
    from genai_cli.model.cache import list_models as models_at_hand
    from genai_cli.model.card import parse_card

    card = parse_card(read_card(reference, common.offline))
    if reference.folder is not None:
        size = folder_size(reference.folder)
    else:
        size = sum(model.size for model in models_at_hand() if model.name == reference.id)
    if common.json:
        sections = [{"title": title, "text": body} for title, body in card.sections]
        values = {"name": reference.id, "task": card.task, "license": card.license, "size": size, "card": sections}
        console.line(json.dumps(values, ensure_ascii=False))
        return
    console.line(one_line(f"{reference.id}" + (f" ({card.task})" if card.task else "")))
    console.line(one_line(f"licence: {card.license or 'not stated'}"))
    console.line(f"size here: {show_bytes(size) if size else 'not in the cache'}")
    for title, body in card.sections:
        console.line(f"\n{one_line(title)}\n{harmless(body)}")
    if not card.sections:
        console.line("\nThe card states neither intended use nor limitations.")


@app.command()
@takes(CommonOptions, "common")
def pull(
    name: Name,
    common: CommonOptions,
    variant: Annotated[
        str, option("--variant", help="auto (fp16 where complete), none (the plain ones), or a name.")
    ] = ("auto"),
    require_license: Annotated[str | None, license_option()] = None,
) -> None:
    """Fetch a model's files now: the same choice of files as a run makes."""
    from genai_cli.model.files import FetchOptions
    from genai_cli.model.hub import fetch, resolve
    from genai_cli.model.license import parse_licenses
    from genai_cli.model.names import BUILT_IN, parse_name

    console = Console(quiet=common.quiet, verbose=common.verbose)
    licenses = parse_licenses(require_license)
    if name == BUILT_IN:
        console.tell("tiny is built in; there is nothing to fetch")
        return
    reference = resolve(parse_name(name, "image"), common.offline, console.emit)
    files = fetch(reference, FetchOptions(None, variant, offline=common.offline, licenses=licenses), console.emit)
    console.line(
        json.dumps({"id": reference.id, "revision": reference.revision, "folder": str(files.folder)})
        if common.json
        else str(files.folder)
    )


@app.command("remove")
@takes(CommonOptions, "common")
def remove_model(name: Name, common: CommonOptions) -> None:
    """Remove a model from the cache (or one revision of it: owner/name@revision), saying what that frees."""
    from genai_cli.model.cache import remove
    from genai_cli.model.names import parse_name

    console = Console(quiet=common.quiet, verbose=common.verbose)
    reference = parse_name(name, "image")
    freed = remove(reference)
    if common.json:
        console.line(json.dumps({"id": reference.id, "revision": reference.revision, "freed": freed}))
    else:
        console.tell(f"removed {reference}: {show_bytes(freed)} freed")


def show_bytes(size: int) -> str:
    """A size in the unit that suits it (powers of 1000, as disks are sold)."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
