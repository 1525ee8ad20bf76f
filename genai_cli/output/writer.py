"""The only code that touches the output folder: final names, atomic files, nothing half-written."""

import errno
import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from genai_cli.errors import OutputError
from genai_cli.output.manifest import Shard
from genai_cli.output.names import Destination
from genai_cli.output.parts import make_folder, process_tag, removing, sweep, sync_folder, write_temporary


@dataclass(frozen=True)
class NewFile:
    """A finished item: its bytes, type, the fields of its name, what stands beside it, and its record."""

    data: bytes
    suffix: str
    fields: Mapping[str, str | int]
    beside: bytes | None
    line: Mapping[str, Any]


class Writer:
    """Puts finished bytes at their final names below one destination; `tag` marks its temporary files."""

    is_batch = False
    """Whether it knows what earlier runs finished, so that results are best kept as soon as they are made."""

    def __init__(self, destination: Destination, tag: str | None = None) -> None:
        self.destination = destination
        self.tag = tag or process_tag()
        self.folders: set[Path] = set()
        """Where this run has written."""
        self.shard: Shard | None = None
        self.base_seed = secrets.randbits(32)
        """What the seeds come from that are not given."""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Make ready to write."""

    def close(self) -> None:
        """All is written."""

    def check(self) -> None:
        """Raise OutputError where nothing could be written, before any model loads; leaves no trace."""
        folder = self.destination.folder
        existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
        try:
            if not existing.is_dir():
                raise NotADirectoryError(20, "Not a directory", str(existing))
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            raise cannot_write(existing, error) from error

    def look(self) -> bool:
        """Learn what an earlier run finished, without taking or changing anything; whether there is such a run."""
        return False

    def is_finished(self, key: str) -> str | None:
        """The status of an item that an earlier run finished, for writers that know."""
        del key
        return None

    def note(self, line: Mapping[str, Any]) -> None:
        """Note an item without a file, for writers that note what is finished."""

    def note_bad(self, error: str) -> None:
        """Note a row that was passed over, for writers that note such."""

    def announce(self, target: Path) -> None:
        """Called just before a file gets its name."""

    def write(self, file: NewFile) -> Path:
        """Write one file at its final name in one atomic step, and what stands beside it as NAME.json.

        A default name never overwrites: it gets -2, -3, ... Raises OutputError.
        """
        target = self.destination.target(file.fields, file.suffix)
        try:
            self.enter_folder(target.parent)
            with ExitStack() as parts:
                temporary = write_temporary(target, file.data, self.tag)
                parts.enter_context(removing(temporary))
                beside = None
                if file.beside is not None:  # on disk too before either gets its name
                    beside = write_temporary(target, file.beside, self.tag)
                    parts.enter_context(removing(beside))
                final = self.place(temporary, target)
                try:
                    if beside is not None:
                        beside.replace(final.with_name(f"{final.name}.json"))
                    sync_folder(final.parent)
                except OSError:
                    self.take_back(final)
                    raise
        except OSError as error:
            raise cannot_write(target, error) from error
        return final

    def place(self, temporary: Path, target: Path) -> Path:
        """Give the file its name, in place of one that has it only where the user named it. Raises OSError."""
        if not self.destination.overwrite:
            return self.place_new(temporary, target)
        self.announce(target)
        return temporary.replace(target)

    def take_back(self, final: Path) -> None:
        """Remove a new file whose writing failed after it had its name; what an old one held is gone already."""
        if not self.destination.overwrite:
            for name in (final, final.with_name(f"{final.name}.json")):
                with suppress(OSError):
                    name.unlink(missing_ok=True)

    def enter_folder(self, folder: Path) -> None:
        """Make the folder of a file, and sweep it, when this run first writes there. Raises OSError.

        One that is gone later is not made again: what was written there went with it. Nor does a link in the output
        folder lead out of it.
        """
        top = self.destination.folder
        if self.folders and not top.is_dir():
            raise FileNotFoundError(errno.ENOENT, "the folder is gone", str(top))
        if folder in self.folders:
            return
        if not Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(top)):
            raise OSError(errno.ELOOP, f"a link leads out of {top}", str(folder))
        make_folder(folder)
        sweep(folder)
        self.folders.add(folder)

    def place_new(self, temporary: Path, target: Path) -> Path:
        """Give the file its name, or the next free one of NAME-2, NAME-3, ...; never in place of another."""
        candidate, number = target, 2
        while True:
            if not os.path.lexists(candidate):
                self.announce(candidate)
            try:
                os.link(temporary, candidate)  # fails where the name is taken, also when another run takes it just now
                break
            except OSError:
                if not os.path.lexists(candidate):
                    temporary.replace(candidate)  # a file system without hard links
                    break
                candidate = target.with_name(f"{target.stem}-{number}{target.suffix}")
                number += 1
        return candidate


def cannot_write(path: Path, error: OSError) -> OutputError:
    """The error for a place that cannot be written."""
    return OutputError(f"cannot write {path}: {error.strerror or error}", hint="-o names another place")
