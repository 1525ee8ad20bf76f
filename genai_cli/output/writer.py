"""The only code that touches the output folder: final names, atomic files, nothing half-written."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from genai_cli.errors import OutputError
from genai_cli.output.manifest import Shard
from genai_cli.output.names import Destination


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

    def __init__(self, destination: Destination, tag: str | None = None) -> None:
        self.destination = destination
        self.tag = tag or str(os.getpid())
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
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = write_temporary(target, file.data, self.tag)
            with removing(temporary):
                if self.destination.overwrite:
                    self.announce(target)
                    final = replace(temporary, target)
                else:
                    final = self.place_new(temporary, target)
            if file.beside is not None:
                note = final.with_name(f"{final.name}.json")
                temporary = write_temporary(note, file.beside, self.tag)
                with removing(temporary):
                    replace(temporary, note)
        except OSError as error:
            raise cannot_write(target, error) from error
        return final

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
        sync_folder(target.parent)
        return candidate


def write_temporary(target: Path, data: bytes, tag: str) -> Path:
    """The bytes, on disk for good, in a hidden file beside the target; it is gone where that fails."""
    temporary = target.with_name(f".{tag}-{secrets.token_hex(4)}.genai-part")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


@contextlib.contextmanager
def removing(temporary: Path) -> Iterator[None]:
    """Remove the temporary file in the end, if it is still there."""
    try:
        yield
    finally:
        temporary.unlink(missing_ok=True)


def replace(temporary: Path, target: Path) -> Path:
    """Give the file its name, in place of one that has it."""
    temporary.replace(target)
    sync_folder(target.parent)
    return target


def sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut; not every system can sync a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def cannot_write(path: Path, error: OSError) -> OutputError:
    """The error for a place that cannot be written."""
    return OutputError(f"cannot write {path}: {error.strerror or error}", hint="-o names another place")
