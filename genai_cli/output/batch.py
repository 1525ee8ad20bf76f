"""A folder that is filled by a batch: every item once, whatever kills the run, with a manifest of what is finished."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from genai_cli.errors import OutputError
from genai_cli.output.lock import free_lock, take_lock
from genai_cli.output.manifest import BAD, Manifest, Shard
from genai_cli.output.names import Destination
from genai_cli.output.parts import PART, make_folder, removing, sweep, write_temporary
from genai_cli.output.shield import unbroken
from genai_cli.output.writer import NewFile, Writer, cannot_write


class BatchFolder(Writer):
    """A writer that notes each finished item in the folder's manifest and takes up what an earlier run left.

    Before a file gets its name, the name is noted in a hidden file beside the manifest: if the run dies before the
    manifest's line stands, the next run removes that one file and makes the item again.
    """

    is_batch = True

    def __init__(self, destination: Destination, shard: Shard | None = None) -> None:
        super().__init__(destination, f"{shard.number}-of-{shard.count}" if shard else "all")
        self.shard = shard
        self.manifest = Manifest(destination.folder, shard, self.tag)
        self.next_file = destination.folder / f".{self.tag}.genai-next"
        self.writing = ""
        self.lock: Any = None

    def open(self) -> None:
        """Take the folder, mend what a killed run left, and read what is finished. Raises OutputError."""
        folder = self.destination.folder
        try:
            make_folder(folder)
            busy = OutputError(f"another run is filling {folder}", hint="wait for it, or give each run a --shard I/N")
            self.lock = take_lock(folder / f".{self.tag}.genai-lock", busy)
            for below in sorted({part.parent for part in folder.rglob(f".*{PART}")}):
                sweep(below, self.tag)
            self.folders.add(folder)
            self.manifest.open()
            self.base_seed = self.manifest.base_seed
            self.remove_unfinished()
        except OSError as error:
            self.close()
            raise cannot_write(folder, error) from error

    def look(self) -> bool:
        """Learn what an earlier run finished, without taking or changing anything; whether there is such a run."""
        return self.manifest.read()

    def remove_unfinished(self) -> None:
        """Remove the file that got its name just before a run died or failed, if the manifest does not know it."""
        if not self.next_file.exists():
            return
        try:
            noted = json.loads(self.next_file.read_text())
            key, file = str(noted["key"]), PurePosixPath(noted["file"])
        except (ValueError, KeyError, TypeError):
            key, file = "", PurePosixPath()  # torn: the file did not get its name yet
        is_done = self.manifest.finished.get(key) == "done"
        if file.name and not is_done and not file.is_absolute() and ".." not in file.parts:
            for name in (file, file.with_name(f"{file.name}.json")):
                (self.destination.folder / name).unlink(missing_ok=True)
        self.next_file.unlink()

    def close(self) -> None:
        """Leave the folder to others. Where that fails, because it is gone or full, the next run sees to the rest."""
        if self.lock is not None:
            with contextlib.suppress(OSError):
                self.remove_unfinished()
            free_lock(self.lock)
            self.lock = None

    def announce(self, target: Path) -> None:
        """Note the name that the file is about to get."""
        file = target.relative_to(self.destination.folder).as_posix()
        note = json.dumps({"key": self.writing, "file": file}).encode()
        temporary = write_temporary(self.next_file, note, self.tag)
        with removing(temporary):
            temporary.replace(self.next_file)

    def is_finished(self, key: str) -> str | None:
        """The status of an item that an earlier run, or another shard, finished."""
        return self.manifest.finished.get(key)

    def write(self, file: NewFile) -> Path:
        """Write a finished item and note it in the manifest; a signal cannot part the two. Raises OutputError."""
        with unbroken():
            self.writing = str(file.line["key"])
            path = super().write(file)
            self.note({**file.line, "file": path.relative_to(self.destination.folder).as_posix()})
        return path

    def note(self, line: Mapping[str, Any]) -> None:
        """Note an item without a file: one that failed. Raises OutputError."""
        try:
            self.manifest.append(line)
        except OSError as error:
            raise cannot_write(self.manifest.path, error) from error

    def note_bad(self, error: str) -> None:
        """Note a row that was passed over, once however often the batch is run. Raises OutputError."""
        if error not in self.manifest.bad:
            self.note({"status": BAD, "error": error})
