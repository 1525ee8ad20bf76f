"""The results of a folder: those that its manifests list, those in files with a record, and the lines of records."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from genai_cli.content import picture_reading, sound_reading
from genai_cli.content.picture import Picture
from genai_cli.content.reading import read_provenance
from genai_cli.content.sound import Sound
from genai_cli.content.transcript import Transcript
from genai_cli.errors import InputError
from genai_cli.gallery.item import DONE, ORIGINAL, Item, read_words
from genai_cli.store.json_lines import read_whole_lines
from genai_cli.store.manifest import MAX_LINE, find_manifests, read_manifest_lines
from genai_cli.types import JsonObject

MEDIA = (*Picture.suffixes, *Sound.suffixes)
READ = (*picture_reading.READ_SUFFIXES, *sound_reading.READ_SUFFIXES)  # what results may be made from
JSON = ".json"
RECORD_LINES = (".jsonl", ".ndjson")
ENDS = ("file", "status", "id", "key")


@dataclass
class Found:
    """What a walk through a folder found."""

    items: list[Item] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    """Pictures and sounds without a record of genai: results may have been made from them."""
    claimed: set[Path] = field(default_factory=set)
    """The files that manifests list."""


def collect_items(folder: Path) -> Found:
    """All results in a folder and the folders in it, in the order of their files. Raises InputError."""
    if not folder.is_dir():
        what = "is a file" if folder.is_file() else "does not exist"
        raise InputError(f"{folder} {what}", hint="name the folder that holds the results")
    found, top = Found(), Path(os.path.realpath(folder))
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(place)
        read_manifests(here, top, found)
        # A file that is being written has a hidden name.
        files = [here / name for name in sorted(names) if not name.startswith(".")]
        for file in files:
            if is_inside(file, top) and file not in found.claimed:
                take_file(file, found)
        for file in files:
            if file.suffix.lower() in RECORD_LINES and not file.name.startswith("manifest") and is_inside(file, top):
                found.items += read_lines(file, names)
    return found


def is_inside(file: Path, top: Path) -> bool:
    """Whether a file is one, and lies in the folder: a link may lead out of it."""
    try:
        return file.is_file() and (not file.is_symlink() or Path(os.path.realpath(file)).is_relative_to(top))
    except (OSError, ValueError):  # a name that no file can have
        return False


def read_manifests(folder: Path, top: Path, found: Found) -> None:
    """Add the items of a folder's manifests; the last line of an item counts."""
    lines: dict[str, JsonObject] = {}
    for manifest in find_manifests(folder):
        if is_inside(manifest, top):
            for line in read_manifest_lines(manifest):
                if isinstance(line.get("key"), str):
                    lines.pop(line["key"], None)
                    lines[line["key"]] = line
    for line in lines.values():
        status, name = str(line.get("status")), line.get("file")
        if status != DONE or name is None:
            found.items.append(make_item(line, None))
        elif isinstance(name, str) and is_name_inside(name) and is_inside(folder / name, top):
            found.claimed.add(folder / name)
            found.items.append(make_item(line, folder / name))


def is_name_inside(name: str) -> bool:
    """Whether a name that a manifest states stays in the folder."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and not Path(name).is_absolute()


def make_item(line: JsonObject, file: Path | None) -> Item:
    """The item of a manifest's line, or of a line that `--json` wrote."""
    return Item(line, file, str(line.get("status", DONE)))


def take_file(file: Path, found: Found) -> None:
    """Add the result in a file, if genai made it; note a picture or a sound of another origin."""
    suffix = file.suffix.lower()
    if suffix not in (*MEDIA, *Transcript.suffixes, *READ):
        return
    record = read_record(file)
    if record is None or (suffix == JSON and "segments" not in record):
        if suffix in READ:
            found.others.append(file)
    elif suffix in Transcript.suffixes and is_further_file(file, record, found):
        return
    else:
        item = Item(record, file)
        if suffix in Transcript.suffixes and not item.words:
            item = replace(item, record={**item.record, "text": read_words(file)})
        found.items.append(item)


def read_record(file: Path) -> JsonObject | None:
    """The record of a file; None where it has none. What stands in NAME.txt.json is that of NAME.txt."""
    if file.suffix.lower() == JSON and file.with_suffix("").suffix.lower() in (*MEDIA, *Transcript.suffixes):
        return None
    try:
        record = read_provenance(file).record
    except InputError:
        return None
    return None if record is None else dict(record)


def is_further_file(file: Path, record: JsonObject, found: Found) -> bool:
    """Whether a transcript stands also in a file of another type, and that one is shown: `--format` makes several."""
    place = Transcript.suffixes.index(file.suffix.lower())
    for number, suffix in enumerate(Transcript.suffixes):
        other = file.with_suffix(suffix)
        is_shown = number < place or (number > place and other in found.claimed)
        if is_shown and other.is_file() and read_record(other) == record:
            return True
    return False


def read_lines(file: Path, names: list[str]) -> Iterator[Item]:
    """The records in a file of `--json`, or of `-o NAME.jsonl`, whose results are in no file of the folder."""
    with suppress(OSError), file.open("rb") as stream:  # it may go meanwhile
        for _, line in read_whole_lines(stream, MAX_LINE):
            is_record = ("genai" in line or "error" in line) and isinstance(line.get("task"), str)
            named = line.get("file")
            if is_record and not (isinstance(named, str) and Path(named).name in names and named != file.name):
                yield make_item(line, None)


def make_original(file: Path, sha256: str) -> Item:
    """A file that genai did not make."""
    return Item({}, file, ORIGINAL, sha256)
