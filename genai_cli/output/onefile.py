"""One file for all items of a batch. What is finished stands in a hidden file beside it until the file can be written.

The hidden file, `.NAME.genai-progress`, is written as a folder's manifest is: a header with the base seed, then a line
for each finished item. A run that is killed goes on from it; nothing unfinished ever has the final name.
"""

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from genai_cli import __version__
from genai_cli.errors import OutputError
from genai_cli.output.lock import free_lock, take_lock
from genai_cli.output.manifest import end_torn_line
from genai_cli.output.names import Destination
from genai_cli.output.parts import make_folder, removing, sweep, sync_folder, write_temporary
from genai_cli.output.shield import unbroken
from genai_cli.output.writer import NewFile, Writer, cannot_write

DATA = "b64_json"  # an item's bytes in its line


class OneFile(Writer):
    """A writer that keeps each finished item's record, and puts all of them into one file in the end."""

    is_batch = True

    def __init__(self, path: Path, with_data: bool = False) -> None:
        super().__init__(Destination(path.parent, path.stem, path.suffix, overwrite=True), path.name)
        self.path = path
        self.with_data = with_data
        """Whether the items' bytes are kept beside their records."""
        self.progress = path.with_name(f".{path.name}.genai-progress")
        self.statuses: dict[str, str] = {}
        self.offsets: dict[str, int] = {}
        """Where each item's last line stands in the progress file, by its key."""
        self.stream: BinaryIO | None = None
        self.lock: Any = None
        self.is_new = False
        """Whether no earlier run left a progress file."""
        self.is_placed = False

    def open(self) -> None:
        """Take the file's name and read what an earlier run finished. Raises OutputError."""
        try:
            make_folder(self.path.parent)
            busy = OutputError(f"another run is making {self.path}", hint="wait for it, or name another file")
            self.lock = take_lock(self.path.with_name(f".{self.path.name}.genai-lock"), busy)
            sweep(self.path.parent, self.tag)
            self.stream = self.progress.open("a+b")
            end_torn_line(self.progress)
            self.stream.seek(0)
            self.read_progress()
        except OSError as error:
            self.close()
            raise cannot_write(self.path, error) from error

    def look(self) -> bool:
        """Learn what an earlier run finished, without taking or changing anything; whether there is such a run."""
        if not self.progress.is_file():
            return False
        with self.progress.open("rb") as self.stream:
            self.read_lines()
        self.stream = None
        return True

    def read_progress(self) -> None:
        """Learn what is finished; begin a new progress file with a base seed."""
        self.is_new = not self.read_lines()
        if self.is_new:
            self.append({"genai": __version__, "base_seed": self.base_seed})

    def read_lines(self) -> bool:
        """Learn what is finished; whether there is a base seed. What is torn is passed over."""
        has_header = False
        for offset, line in self.lines():
            if isinstance(line.get("base_seed"), int):
                self.base_seed, has_header = line["base_seed"], True
            elif isinstance(line.get("key"), str):
                self.take(line, offset)
        return has_header

    def lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The whole lines of the progress file, each with its offset."""
        offset = 0
        for line in self.opened():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, dict) and line.endswith(b"\n"):
                yield offset, value
            offset += len(line)

    def opened(self) -> BinaryIO:
        """The open progress file."""
        if self.stream is None:
            raise ValueError("the progress file is not open")
        return self.stream

    def take(self, line: Mapping[str, Any], offset: int) -> None:
        """Count a line's item as finished; one made without its bytes is not, where they are asked for."""
        key, status = line["key"], str(line.get("status"))
        if status == "done" and self.with_data and DATA not in line:
            return
        self.statuses[key] = status
        self.offsets[key] = offset

    def close(self) -> None:
        """Leave the file to others; what is finished stays for the next run where not all of it is done."""
        if self.stream is not None:
            self.stream.close()
            if self.is_placed or (self.is_new and not self.statuses):
                self.progress.unlink(missing_ok=True)
        if self.lock is not None:
            free_lock(self.lock)
            self.lock = None

    def is_finished(self, key: str) -> str | None:
        """The status of an item that an earlier run finished."""
        return self.statuses.get(key)

    def write(self, file: NewFile) -> Path:
        """Keep a finished item's record. Raises OutputError."""
        data = {DATA: base64.b64encode(file.data).decode()} if self.with_data else {}
        self.note({**file.line, "file": self.path.name, **data})
        return self.path

    def note(self, line: Mapping[str, Any]) -> None:
        """Keep an item's line. Raises OutputError."""
        try:
            with unbroken():
                self.take(line, self.append(line))
        except OSError as error:
            raise cannot_write(self.progress, error) from error

    def append(self, line: Mapping[str, Any]) -> int:
        """Append a line and return its offset; where that fails, nothing of it stays. Raises OSError.

        The system has the line when this returns: a kill loses nothing, a power cut the items of the last seconds.
        """
        stream = self.opened()
        offset = stream.seek(0, os.SEEK_END)
        try:
            stream.write(json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            stream.flush()
        except OSError:
            os.ftruncate(stream.fileno(), offset)
            raise
        return offset

    def record_at(self, offset: int) -> dict[str, Any]:
        """The line at an offset."""
        stream = self.opened()
        stream.seek(offset)
        record: dict[str, Any] = json.loads(stream.readline())
        return record

    def assemble(self, pieces: Iterable[bytes], *, all_done: bool) -> None:
        """Write the file from its pieces, in one atomic step. Raises OutputError.

        The progress file goes where all is done, and stays for another try at the rest where something failed.
        """
        try:
            temporary = write_temporary(self.path, pieces, self.tag)
            with removing(temporary):
                temporary.replace(self.path)
                sync_folder(self.path.parent)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self.is_placed = all_done
