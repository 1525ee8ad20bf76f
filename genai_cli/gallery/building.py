"""A gallery from a folder: what is in it, how its parts belong together, and the page that shows it."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from genai_cli.atomic import make_process_tag, replace_file
from genai_cli.errors import InputError
from genai_cli.gallery.collecting import collect_items
from genai_cli.gallery.item import DONE, ORIGINAL, Item
from genai_cli.gallery.lineage import identify, relate
from genai_cli.gallery.page import GENERATOR, Page, Progress
from genai_cli.gallery.thumbnails import Thumbnail, Thumbnails
from genai_cli.store.manifest import find_manifests
from genai_cli.store.running import read_runs
from genai_cli.store.writer import make_write_error

DEFAULT_NAME = "gallery.html"
HEAD = 2000  # bytes in which a page says what wrote it


@dataclass(frozen=True)
class Built:
    """A page that was written, and what it shows."""

    file: Path
    items: int
    failed: int
    tasks: dict[str, int]
    is_running: bool

    def summary(self) -> str:
        """The counts in words."""
        tasks = ", ".join(f"{count} {task}" for task, count in self.tasks.items())
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.items} result{'s' * (self.items != 1)} ({tasks}){failed}"


def choose_file(folder: Path, named: Path | None) -> Path:
    """Where the page goes: where the user says, or into the folder. Raises InputError.

    A page in the folder replaces an earlier gallery, and nothing else.
    """
    if named is not None:
        if named.is_dir():
            return named / DEFAULT_NAME
        if named.suffix.lower() not in (".html", ".htm"):
            raise InputError(f"cannot write a gallery to {str(named)!r}", hint="a name that ends in .html")
        return named
    file = folder / DEFAULT_NAME
    if file.exists() and GENERATOR.encode() not in read_head(file):
        raise InputError(f"{file} is there, and is not a gallery", hint="-o NAME.html names another file")
    return file


def read_head(file: Path) -> bytes:
    """The beginning of a page; its style is behind it."""
    with file.open("rb") as stream:
        return stream.read(HEAD)


@dataclass(frozen=True)
class Prepared:
    """A page that is made as its pieces are taken, what it shows, and its files by their addresses on it."""

    built: Built
    pieces: Iterator[bytes]
    files: dict[str, Path]


def load_items(folder: Path, thumbnails: Thumbnails) -> list[Item]:
    """The items of a folder with the files that they were made from. Raises InputError where there are none."""
    items = identify(collect_items(folder), thumbnails)
    if not items and read_runs(folder) is None:
        raise InputError(f"{folder} holds no results", hint="genai image 'a cat' -o FOLDER/ puts one there")
    return items


def prepare_page(
    folder: Path, file: Path, advance: Callable[[int, int], None] | None = None, live_tag: str | None = None
) -> Prepared:
    """The page of a folder as it will lie in `file`; `advance` is told of each thumbnail. Raises InputError.

    A page with a live tag is one that a server shows: the folder may be empty, and the page follows it.
    """
    thumbnails = Thumbnails(folder)
    items = identify(collect_items(folder), thumbnails) if live_tag else load_items(folder, thumbnails)
    ended = [item for item in items if item.status != ORIGINAL]
    failed = sum(item.status != DONE for item in ended)
    total = read_runs(folder)
    progress = None if total is None else Progress(len(ended) - failed, failed, total)
    page = Page(name_folder(folder), items, relate(items), file, progress, live_tag)

    def watch(made: Iterator[Thumbnail]) -> Iterator[Thumbnail]:
        for number, thumbnail in enumerate(made, 1):
            if advance is not None:
                advance(number, len(items))
            yield thumbnail

    tasks = dict(Counter(item.task or "other" for item in ended))
    built = Built(file, len(ended), failed, tasks, total is not None)
    files = {page.link(item.file): item.file for item in items if item.file is not None}
    return Prepared(built, page.render(watch(thumbnails.make_all(items))), files)


def build_page(folder: Path, file: Path, advance: Callable[[int, int], None] | None = None) -> Built:
    """Write the page of a folder; `advance` is told of each thumbnail. Raises InputError, OutputError."""
    prepared = prepare_page(folder, file, advance)
    try:
        replace_file(file, prepared.pieces, make_process_tag())
    except OSError as error:
        raise make_write_error(file, error) from error
    return prepared.built


def name_folder(folder: Path) -> str:
    """The folder's own name; the page may be shown to others, to whom its place is nothing."""
    return folder.resolve().name or str(folder)


def stamp_folder(folder: Path) -> object:
    """What changes when a batch goes on in a folder."""
    stamps = []
    for path in (folder, *find_manifests(folder)):
        with suppress(OSError):
            status = path.stat()
            stamps.append((path.name, status.st_size, status.st_mtime_ns))
    return stamps, read_runs(folder)
