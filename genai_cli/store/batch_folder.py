"""A folder that a batch fills. Each item is written once, even after a kill. A manifest lists the finished items."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from genai_cli.atomic import TEMPORARY, make_folder, replace_file, sweep
from genai_cli.errors import OutputError
from genai_cli.signals import hold_signals
from genai_cli.store.json_lines import parse_object
from genai_cli.store.lock import free_lock, take_lock
from genai_cli.store.manifest import BAD, Manifest, Shard
from genai_cli.store.names import Destination
from genai_cli.store.running import note_run, remove_abandoned
from genai_cli.store.writer import NewFile, Writer, make_write_error

if TYPE_CHECKING:
    from filelock import FileLock


class BatchFolder(Writer):
    """A writer that notes each finished item in the folder's manifest, and continues what an earlier run left.

    Before a file gets its name, the name is noted in a hidden file beside the manifest. If the run dies before the
    manifest has the item's line, the next run removes that one file and generates the item again. With `packs`, an item
    whose record holds all of it gets no file: it stands in the manifest.
    """

    is_batch = True

    def __init__(self, destination: Destination, shard: Shard | None = None, packs: bool = False) -> None:
        super().__init__(destination, f"{shard.number}-of-{shard.count}" if shard else "all")
        self.shard = shard
        self.packs = packs
        self.manifest = Manifest(destination.folder, shard, self.tag)
        self.next_file = destination.folder / f".{self.tag}.genai-next"
        self.writing = ""
        self.lock: FileLock | None = None
        self.note_file: Path | None = None

    def open(self) -> None:
        """Lock the folder, clean up after a killed run, and read what is finished. Raises OutputError."""
        folder = self.destination.folder
        try:
            make_folder(folder)
            busy = OutputError(f"another run is filling {folder}", hint="wait for it, or give each run a --shard I/N")
            self.lock = take_lock(folder / f".{self.tag}.genai-lock", busy)
            for subfolder in sorted({temporary.parent for temporary in folder.rglob(f".*{TEMPORARY}")}):
                sweep(subfolder, self.tag)
            self.folders.add(folder)
            self.manifest.open()
            self.base_seed = self.manifest.base_seed
            self.remove_unfinished()
        except OSError as error:
            self.close()
            raise make_write_error(folder, error) from error

    def expect(self, items: int) -> None:
        """Note for who watches the folder how many items the batch has. Raises OutputError."""
        try:
            remove_abandoned(self.destination.folder)
            self.note_file = note_run(self.destination.folder, items)
        except OSError as error:
            raise make_write_error(self.destination.folder, error) from error

    def look(self) -> bool:
        """Read what an earlier run finished, without a lock or a change. Returns whether there was such a run."""
        return self.manifest.read()

    def remove_unfinished(self) -> None:
        """Remove the file that got its name just before a run died or failed, if the manifest does not list it."""
        if not self.next_file.exists():
            return
        try:
            noted = parse_object(self.next_file.read_bytes()) or {}
            key, file = str(noted["key"]), PurePosixPath(noted["file"])
        except (KeyError, TypeError):
            noted, key, file = {}, "", PurePosixPath()  # torn: the file has no name yet
        is_done = self.manifest.finished.get(key) == "done"
        if file.name and not is_done and not file.is_absolute() and ".." not in file.parts:
            listed = noted.get("more", [])
            more = [PurePosixPath(str(name)).name for name in listed] if isinstance(listed, list) else []
            for name in (file.name, f"{file.name}.json", *filter(None, more)):
                (self.destination.folder / file.with_name(name)).unlink(missing_ok=True)
        self.next_file.unlink()

    def close(self) -> None:
        """Release the folder. If an unfinished file cannot be removed (gone or full disk), the next run removes it."""
        if self.note_file is not None:
            with contextlib.suppress(OSError):
                self.note_file.unlink(missing_ok=True)
        if self.lock is not None:
            with contextlib.suppress(OSError):
                self.remove_unfinished()
            free_lock(self.lock)
            self.lock = None

    def announce(self, target: Path, more: Sequence[Path] = ()) -> None:
        """Note the name that the file gets next, and those of further files beside it."""
        file = target.relative_to(self.destination.folder).as_posix()
        note = json.dumps({"key": self.writing, "file": file, "more": [path.name for path in more]}).encode()
        replace_file(self.next_file, note, self.tag)

    def is_finished(self, key: str) -> str | None:
        """The status of an item that an earlier run, or another shard, finished."""
        return self.manifest.finished.get(key)

    def write(self, file: NewFile) -> Path | None:
        """Write a finished item and note it in the manifest, without a signal in between. Raises OutputError."""
        with hold_signals():
            if self.packs and file.packable:
                self.note(file.line)
                return None
            self.writing = str(file.line["key"])
            path = self.write_file(file)
            self.note({**file.line, "file": path.relative_to(self.destination.folder).as_posix()})
        return path

    def note(self, line: Mapping[str, object]) -> None:
        """Note an item without a file, such as one that failed. Raises OutputError."""
        try:
            self.manifest.append(line)
        except OSError as error:
            raise make_write_error(self.manifest.path, error) from error

    def note_bad(self, error: str) -> None:
        """Note a row that was skipped, once even if the batch runs again. Raises OutputError."""
        kept = error.encode(errors="replace").decode()  # as the manifest gives it back
        if kept not in self.manifest.bad:
            self.note({"status": BAD, "error": kept})
