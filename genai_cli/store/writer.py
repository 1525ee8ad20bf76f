"""The only code that writes to the output folder: final names, atomic files, nothing half-written."""

import errno
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from genai_cli.atomic import find_existing, make_folder, make_process_tag, removing, sweep, sync_folder, write_temporary
from genai_cli.errors import OutputError
from genai_cli.store.manifest import Shard
from genai_cli.store.names import Destination


@dataclass(frozen=True)
class NewFile:
    """A finished item: its bytes, file type, the fields of its name, the bytes of a file beside it, and its record."""

    data: bytes
    suffix: str
    fields: Mapping[str, str | int]
    beside: bytes | None
    line: Mapping[str, object]
    packable: bool = False
    """Whether the record holds all of it."""
    others: tuple[tuple[str, bytes, bytes | None], ...] = ()
    """Further files under the same name: the type, the bytes, and those of the record beside it."""

    def list_more(self) -> "Iterator[tuple[str, bytes]]":
        """All files but the first, by what comes after its name without its type."""
        if self.beside is not None:
            yield f"{self.suffix}.json", self.beside
        for suffix, data, beside in self.others:
            yield suffix, data
            if beside is not None:
                yield f"{suffix}.json", beside


class Writer:
    """Writes finished bytes under their final names below one destination. `tag` marks its temporary files."""

    is_batch = False
    """Whether it knows what earlier runs finished. If so, each result should be written as soon as it is ready."""

    def __init__(self, destination: Destination, tag: str | None = None) -> None:
        self.destination = destination
        self.tag = tag or make_process_tag()
        self.folders: set[Path] = set()
        """The folders in which this run has written."""
        self.shard: Shard | None = None
        self.base_seed = secrets.randbits(32)
        """The seeds that the user does not set are derived from it."""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Prepare to write."""

    def close(self) -> None:
        """Finish: all is written."""

    def expect(self, items: int) -> None:
        """Told how many items the run has, for writers that note it."""
        del items

    def check(self) -> None:
        """Raise OutputError, before any model loads, if nothing can be written. Leaves no trace."""
        existing = find_existing(self.destination.folder)
        try:
            if not existing.is_dir():
                raise NotADirectoryError(20, "Not a directory", str(existing))
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            raise make_write_error(existing, error) from error

    def look(self) -> bool:
        """Read what an earlier run finished, without a lock or a change. Returns whether there was such a run."""
        return False

    def is_finished(self, key: str) -> str | None:
        """The status of an item that an earlier run finished, for writers that know it."""
        del key
        return None

    def note(self, line: Mapping[str, object]) -> None:
        """Note an item without a file, for writers that note finished items."""

    def note_bad(self, error: str) -> None:
        """Note a row that was skipped, for writers that note them."""

    def announce(self, target: Path, more: Sequence[Path] = ()) -> None:
        """Called just before a file gets its name, and others get theirs."""

    def write(self, file: NewFile) -> Path | None:
        """Keep a finished item, and return its file if it has one of its own. Raises OutputError."""
        return self.write_file(file)

    def write_file(self, file: NewFile) -> Path:
        """Write one file under its final name in one atomic step, and the file beside it as NAME.json.

        A default name never overwrites: it gets -2, -3, ... Raises OutputError.
        """
        target = self.destination.make_path(file.fields, file.suffix)
        try:
            self.enter_folder(target.parent)
            with ExitStack() as temporary_files:
                temporary = write_temporary(target, file.data, self.tag)
                temporary_files.enter_context(removing(temporary))
                more: dict[str, Path] = {}
                for ending, data in file.list_more():  # synced too before any gets its name
                    more[ending] = write_temporary(target, data, self.tag)
                    temporary_files.enter_context(removing(more[ending]))
                final = self.place(temporary, target, tuple(more))
                others = name_more(final, tuple(more))
                try:
                    for part, other in zip(more.values(), others, strict=True):
                        part.replace(other)
                    sync_folder(final.parent)
                except OSError:
                    self.take_back(final, others)
                    raise
        except OSError as error:
            raise make_write_error(target, error) from error
        return final

    def place(self, temporary: Path, target: Path, endings: Sequence[str]) -> Path:
        """Give the file its name. It replaces another file only if the user gave the name. Raises OSError.

        `endings` are those of further files beside it.
        """
        if not self.destination.overwrite:
            return self.place_new(temporary, target, endings)
        self.announce(target, name_more(target, endings))
        return temporary.replace(target)

    def take_back(self, final: Path, more: Sequence[Path]) -> None:
        """Remove new files if writing failed after one got its name. A replaced file cannot be restored."""
        if not self.destination.overwrite:
            for name in (final, *more):
                with suppress(OSError):
                    name.unlink(missing_ok=True)

    def enter_folder(self, folder: Path) -> None:
        """Make the folder of a file and sweep it, when this run first writes there. Raises OSError.

        A folder that is removed during the run is not made again, since its results are lost. A link that leads out of
        the output folder is an error.
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

    def place_new(self, temporary: Path, target: Path, endings: Sequence[str]) -> Path:
        """Give the file its name, or the first free one of NAME-2, NAME-3, ... It never replaces another file.

        A name is free where those of further files are free too; a record beside a file comes and goes with it.
        """
        candidate, number = target, 2
        own = [ending for ending in endings if ending.count(".") == 1]
        while True:
            is_free = not any(os.path.lexists(name) for name in (candidate, *name_more(candidate, own)))
            if is_free:
                self.announce(candidate, name_more(candidate, endings))
                try:
                    os.link(temporary, candidate)  # fails if another run takes the name just now
                    break
                except OSError:
                    if not os.path.lexists(candidate):
                        temporary.replace(candidate)  # a file system without hard links
                        break
            candidate = target.with_name(f"{target.stem}-{number}{target.suffix}")
            number += 1
        return candidate


def name_more(file: Path, endings: Sequence[str]) -> list[Path]:
    """The names of further files: `.vtt` beside talk.srt is talk.vtt, and `.srt.json` is talk.srt.json."""
    return [file.with_name(f"{file.stem}{ending}") for ending in endings]


def make_write_error(path: Path, error: OSError) -> OutputError:
    """The error for a path that cannot be written."""
    return OutputError(f"cannot write {path}: {error.strerror or error}", hint="-o names another place")
