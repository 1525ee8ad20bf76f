"""genai gallery: the results of a folder as one page, or as one contact sheet."""

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.cli.command import Command, Given
from genai_cli.cli.console import Console
from genai_cli.cli.options import MessageOptions, NetworkOptions
from genai_cli.content.record import to_json
from genai_cli.errors import InputError
from genai_cli.events import Notice, Progress
from genai_cli.request.option import OUTPUT, Option

if TYPE_CHECKING:
    from genai_cli.gallery.building import Built

PAUSE = 1.0  # seconds between two looks at a folder
BREATHER = 5  # a page that took a second to write is not written again for so many


@dataclass(frozen=True, kw_only=True)
class GalleryOptions:
    """Where the page goes, and what is done with it."""

    heading: ClassVar[str] = OUTPUT

    output: Annotated[
        Path | None, Option("-o", "--output", metavar="FILE", help="The page.", default="gallery.html in the folder")
    ] = None
    sheet: Annotated[
        Path | None,
        Option("--sheet", metavar="FILE", help="Lay out the results on a contact sheet instead: .png, .jpg or .pdf."),
    ] = None
    open: Annotated[bool, Option("--open", help="Open it in the browser.")] = False
    watch: Annotated[
        bool, Option("--watch", help="Follow a batch that fills the folder, until it ends; the page reloads itself.")
    ] = False


def make_gallery(given: Given) -> int:
    """Write the page, name it, and follow a running batch where that is asked for."""
    from genai_cli.gallery.building import build_page, choose_file, stamp_folder

    options, messages = given.read(GalleryOptions), given.read(MessageOptions)
    folder = Path(given.arguments[0]).expanduser()
    if options.sheet is not None:
        return make_sheet(folder, options.sheet.expanduser(), messages)
    file = choose_file(folder, options.output.expanduser() if options.output else None)
    with closing(messages.open_console()) as console:

        def build() -> "Built":
            return build_page(folder, file, lambda done, total: show_progress(console, done, total))

        stamp, started = stamp_folder(folder), time.monotonic()
        built = build()
        show_built(built, messages, console)
        if options.open:
            open_page(file)
        if options.watch:
            console.emit(Notice(f"watching {folder}; Ctrl-C ends it"))
            was_running = built.is_running
            while not was_running or built.is_running:
                time.sleep(max(PAUSE, BREATHER * (time.monotonic() - started)))
                started = time.monotonic()
                if stamp_folder(folder) != stamp:
                    stamp = stamp_folder(folder)
                    built = build()
                    was_running = was_running or built.is_running
                started = max(started, time.monotonic() - 60)
            console.emit(Notice(f"the batch has ended: {built.summary()}"))
    return 0


def make_sheet(folder: Path, file: Path, messages: MessageOptions) -> int:
    """Write the contact sheet, and name it."""
    from genai_cli.gallery.building import load_items
    from genai_cli.gallery.item import ORIGINAL
    from genai_cli.gallery.sheet import choose_format, write_sheet
    from genai_cli.gallery.thumbnails import Thumbnails

    choose_format(file)
    items = [item for item in load_items(folder, Thumbnails(folder)) if item.status != ORIGINAL]
    with closing(messages.open_console()) as console:
        write_sheet(items, file)
        if messages.json:
            console.line(to_json({"file": str(file), "items": len(items)}))
        else:
            console.result(str(file))
    return 0


def show_built(built: "Built", messages: MessageOptions, console: Console) -> None:
    """The page's name on stdout, and what it shows on stderr."""
    if messages.json:
        counts = {"items": built.items, "failed": built.failed, "tasks": built.tasks}
        console.line(to_json({"file": str(built.file), **counts}))
        return
    console.emit(Notice(built.summary()))
    console.result(str(built.file))


def show_progress(console: Console, done: int, total: int) -> None:
    """How many of the small pictures are made."""
    console.show_progress(Progress("gallery", done, total), f"{done} of {total} results")


def open_page(file: Path) -> None:
    """Open the page in the browser. Raises InputError where there is none."""
    import webbrowser

    if not webbrowser.open(file.absolute().as_uri()):
        raise InputError("no browser was found", hint=f"open {file} yourself")


COMMAND = Command(
    "gallery",
    "Show the results of a folder as one HTML page: pictures, sounds, texts and labels, with their records.\n\n"
    "genai gallery out/ --open",
    make_gallery,
    (GalleryOptions, NetworkOptions, MessageOptions),
    "FOLDER",
    "The folder that holds the results.",
    single=True,
)
