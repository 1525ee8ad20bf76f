"""The manifest of a batch: a line for every finished item, in the folder that holds the results.

The first line of manifest.jsonl holds the base seed of the folder. A shard appends to a manifest of its own, and every
run reads them all. Only whole lines count: a last line that a killed run left torn is skipped.
"""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from genai_cli import __version__
from genai_cli.atomic import removing, sync_folder, write_temporary
from genai_cli.errors import InputError
from genai_cli.store.json_lines import append_line, end_torn_line, read_whole_lines
from genai_cli.types import JsonObject

MANIFEST = "manifest.jsonl"
BAD = "bad"  # the status of a row that was skipped; it has no key
MAX_LINE = 32_000_000  # bytes; longer lines are skipped


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of `count` of a batch. The key of a job decides to which part it belongs."""

    number: int
    count: int

    def has(self, key: str) -> bool:
        """Whether the job with this key (hexadecimal) belongs to this part."""
        return int(key, 16) % self.count == self.number - 1

    @property
    def manifest(self) -> str:
        """The name of the file that this part appends to."""
        return f"manifest-{self.number}-of-{self.count}.jsonl"


def parse_shard(text: str) -> Shard:
    """Part I of N from the text `I/N`; I counts from 1. Raises InputError."""
    number, separator, count = text.partition("/")
    if not (separator and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise InputError(f"--shard must be I/N with I from 1 to N, such as 1/8, not {text!r}")
    return Shard(int(number), int(count))


class Manifest:
    """Reads all manifests of a folder and appends to one of them."""

    def __init__(self, folder: Path, shard: Shard | None, tag: str = "all") -> None:
        self.folder = folder
        self.tag = tag
        """The mark of this run's temporary files."""
        self.path = folder / (shard.manifest if shard else MANIFEST)
        self.base_seed = 0
        self.finished: dict[str, str] = {}
        """The status of every finished item by its key. An item that is done is not finished if its file is missing; a
        packed one has none."""
        self.bad: set[str] = set()
        """The noted errors of rows that were skipped."""

    def open(self) -> None:
        """Read what is finished. Draw a base seed if the folder has none. Raises OSError."""
        main = self.folder / MANIFEST
        if not main.exists():
            write_header(main, self.tag)
        if not self.path.exists():
            self.path.touch()
            sync_folder(self.folder)
        self.read()
        end_torn_line(self.path)

    def read(self) -> bool:
        """Read what is finished. Returns whether there is a manifest at all. Raises OSError."""
        main = self.folder / MANIFEST
        for path in find_manifests(self.folder):
            for line in read_manifest_lines(path):
                if path == main and isinstance(line.get("base_seed"), int):
                    self.base_seed = line["base_seed"]
                elif isinstance(line.get("key"), str):
                    self.take(line)
                elif line.get("status") == BAD:
                    self.bad.add(str(line.get("error")))
        return main.exists()

    def take(self, line: JsonObject) -> None:
        """Take the status of an item from a line. The last line of an item counts."""
        key, status, file = str(line["key"]), str(line.get("status")), line.get("file")
        if status == "done" and file is not None and not (isinstance(file, str) and exists(self.folder / file)):
            self.finished.pop(key, None)
        else:
            self.finished[key] = status

    def append(self, line: Mapping[str, object]) -> None:
        """Write and sync the line of a finished item or a bad row. Raises OSError, also if the manifest is missing."""
        append_line(self.path, line, sync=True)
        if line["status"] == BAD:
            self.bad.add(str(line["error"]))
        else:
            self.finished[str(line["key"])] = str(line["status"])


def exists(path: Path) -> bool:
    """Whether a file exists. False for a name that the system does not allow."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def find_manifests(folder: Path) -> list[Path]:
    """All manifests of a folder: one of the whole batch, and one of each shard."""
    return sorted(folder.glob("manifest*.jsonl"))


def write_header(path: Path, tag: str) -> None:
    """Begin a manifest with a base seed. If two shards begin at once, both use the seed of the first one."""
    header = json.dumps({"genai": __version__, "base_seed": secrets.randbits(32)}) + "\n"
    temporary = write_temporary(path, header.encode(), tag)
    with removing(temporary):
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            if not path.exists():
                temporary.replace(path)
        sync_folder(path.parent)


def read_manifest_lines(path: Path) -> Iterator[JsonObject]:
    """The lines of a manifest that are whole JSON objects. Everything else is skipped."""
    with path.open("rb") as stream:
        for _, line in read_whole_lines(stream, MAX_LINE):
            yield line
