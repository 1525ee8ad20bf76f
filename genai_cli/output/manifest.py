"""The manifest of a batch: a line for every finished item, in the folder that holds the results.

The first line of manifest.jsonl holds the base seed of the folder. A shard appends to a manifest of its own, and every
run reads them all. A line counts once it is whole: what a killed run left of its last one is passed over.
"""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genai_cli import __version__
from genai_cli.errors import InputError
from genai_cli.output.parts import removing, sync_folder, write_temporary
from genai_cli.output.record import from_json

MANIFEST = "manifest.jsonl"
BAD = "bad"  # the status of a row that was passed over; it has no key
MAX_LINE = 32_000_000  # bytes; a longer one is passed over


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 1) of `count` of a batch; a job belongs to one by its key."""

    number: int
    count: int

    def has(self, key: str) -> bool:
        """Whether the job with this key (hexadecimal) is of this part."""
        return int(key, 16) % self.count == self.number - 1

    @property
    def manifest(self) -> str:
        """The file that this part appends to."""
        return f"manifest-{self.number}-of-{self.count}.jsonl"


def parse_shard(text: str) -> Shard:
    """`I/N` as part I of N, from 1. Raises InputError."""
    number, separator, count = text.partition("/")
    if not (separator and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise InputError(f"--shard must be I/N with I from 1 to N, such as 1/8, not {text!r}")
    return Shard(int(number), int(count))


class Manifest:
    """Reads all manifests of a folder and appends to one of them."""

    def __init__(self, folder: Path, shard: Shard | None, tag: str = "all") -> None:
        self.folder = folder
        self.tag = tag
        """What marks the temporary files of this run."""
        self.path = folder / (shard.manifest if shard else MANIFEST)
        self.base_seed = 0
        self.finished: dict[str, str] = {}
        """The status of every finished item by its key; a done one whose file is gone is not finished."""
        self.bad: set[str] = set()
        """What is noted of rows that were passed over."""

    def open(self) -> None:
        """Read what is finished; draw the base seed where the folder has none. Raises OSError."""
        main = self.folder / MANIFEST
        if not main.exists():
            place_header(main, self.tag)
        if not self.path.exists():
            self.path.touch()
            sync_folder(self.folder)
        self.read()
        end_torn_line(self.path)

    def read(self) -> bool:
        """Read what is finished; whether there is a manifest at all. Raises OSError."""
        main = self.folder / MANIFEST
        for path in manifests(self.folder):
            for line in whole_lines(path):
                if path == main and isinstance(line.get("base_seed"), int):
                    self.base_seed = line["base_seed"]
                elif isinstance(line.get("key"), str):
                    self.take(line)
                elif line.get("status") == BAD:
                    self.bad.add(str(line.get("error")))
        return main.exists()

    def take(self, line: Mapping[str, Any]) -> None:
        """Count a line's item as finished, as its last line says."""
        key, status, file = line["key"], str(line.get("status")), line.get("file")
        if status == "done" and not (isinstance(file, str) and is_there(self.folder / file)):
            self.finished.pop(key, None)
        else:
            self.finished[key] = status

    def append(self, line: Mapping[str, Any]) -> None:
        """Note a finished item, or a bad row, on disk for good. Raises OSError, also where the manifest is gone."""
        data = json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            append_whole(descriptor, data)
        finally:
            os.close(descriptor)
        if line["status"] == BAD:
            self.bad.add(str(line["error"]))
        else:
            self.finished[str(line["key"])] = str(line["status"])


def is_there(path: Path) -> bool:
    """Whether there is such a file; there is none of a name that no system takes."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def append_whole(descriptor: int, data: bytes) -> None:
    """Append to an open file, on disk for good; where that fails, nothing of it stays. Raises OSError."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, end)
        raise


def manifests(folder: Path) -> list[Path]:
    """All manifests of a folder: the whole batch's, and one for each shard."""
    return sorted(folder.glob("manifest*.jsonl"))


def place_header(path: Path, tag: str) -> None:
    """Begin a manifest with a base seed; of two shards that begin at once, the first one's seed holds for both."""
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


def whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a manifest that are whole JSON objects; whatever else stands there is passed over."""
    with path.open("rb") as stream:
        begins = True
        while line := stream.readline(MAX_LINE):
            is_whole, begins = begins and line.endswith(b"\n"), line.endswith(b"\n")
            if not is_whole:
                continue  # torn, or a piece of one too long
            try:
                value = from_json(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                yield value


def end_torn_line(path: Path) -> None:
    """End what a killed run left of its last line, so that the next line stands alone."""
    if path.stat().st_size:
        with path.open("r+b") as stream:
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                stream.write(b"\n")
