"""One file for all items of a batch. A hidden file beside it keeps the finished items until the file can be written.

The hidden file, `.NAME.genai-progress`, has the form of a folder's manifest: a header with the base seed, then a line
for each finished item. After a kill, the next run continues from it. An unfinished file never has the final name.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from genai_cli import __version__
from genai_cli.atomic import make_folder, removing, sweep, sync_folder, write_temporary
from genai_cli.content.openai_answers import DATA
from genai_cli.errors import OutputError
from genai_cli.signals import hold_signals
from genai_cli.store.json_lines import append_line, end_torn_line, read_whole_lines
from genai_cli.store.lock import free_lock, take_lock
from genai_cli.store.names import Destination
from genai_cli.store.writer import NewFile, Writer, make_write_error
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from filelock import FileLock


class OneFile(Writer):
    """A writer that keeps the record of each finished item, and writes all of them into one file at the end."""

    is_batch = True

    def __init__(self, path: Path, with_data: bool = False) -> None:
        super().__init__(Destination(path.parent, path.stem, path.suffix, overwrite=True), path.name)
        self.path = path
        self.with_data = with_data
        """Whether the items' bytes are kept with their records."""
        self.progress = path.with_name(f".{path.name}.genai-progress")
        self.statuses: dict[str, str] = {}
        self.offsets: dict[str, int] = {}
        """The offset of each item's last line in the progress file, by its key."""
        self.stream: BinaryIO | None = None
        self.lock: FileLock | None = None
        self.is_new = False
        """Whether no earlier run left a progress file."""
        self.is_placed = False

    def open(self) -> None:
        """Lock the file's name and read what an earlier run finished. Raises OutputError."""
        try:
            make_folder(self.path.parent)
            busy = OutputError(f"another run is making {self.path}", hint="wait for it, or name another file")
            self.lock = take_lock(self.path.with_name(f".{self.path.name}.genai-lock"), busy)
            sweep(self.path.parent, self.tag)
            self.progress.touch()
            end_torn_line(self.progress)
            self.stream = self.progress.open("rb")
            self.read_progress()
        except OSError as error:
            self.close()
            raise make_write_error(self.path, error) from error

    def look(self) -> bool:
        """Read what an earlier run finished, without a lock or a change. Returns whether there was such a run."""
        if not self.progress.is_file():
            return False
        with self.progress.open("rb") as self.stream:
            self.read_lines()
        self.stream = None
        return True

    def read_progress(self) -> None:
        """Read what is finished. Begin a new progress file with a base seed."""
        self.is_new = not self.read_lines()
        if self.is_new:
            self.append({"genai": __version__, "base_seed": self.base_seed})

    def read_lines(self) -> bool:
        """Read what is finished. Returns whether there is a base seed. Torn lines are skipped."""
        has_header = False
        for offset, line in read_whole_lines(self.require_stream()):
            if isinstance(line.get("base_seed"), int):
                self.base_seed, has_header = line["base_seed"], True
            elif isinstance(line.get("key"), str):
                self.take(line, offset)
        return has_header

    def require_stream(self) -> BinaryIO:
        """The open progress file."""
        if self.stream is None:
            raise ValueError("the progress file is not open")
        return self.stream

    def take(self, line: Mapping[str, object], offset: int) -> None:
        """Count the item of a line as finished, unless its bytes are needed and the line does not hold them."""
        key, status = str(line["key"]), str(line.get("status"))
        if status == "done" and self.with_data and DATA not in line:
            return
        self.statuses[key] = status
        self.offsets[key] = offset

    def close(self) -> None:
        """Release the file. The progress stays for the next run if not all items are done."""
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

    def note(self, line: Mapping[str, object]) -> None:
        """Keep an item's line. Raises OutputError."""
        try:
            with hold_signals():
                self.take(line, self.append(line))
        except OSError as error:
            raise make_write_error(self.progress, error) from error

    def append(self, line: Mapping[str, object]) -> int:
        """Append a line and return its offset. On a failure nothing of the line stays. Raises OSError.

        The line is not synced: a kill loses nothing, but a power cut can lose the items of the last seconds.
        """
        return append_line(self.progress, line, sync=False)

    def read_record(self, offset: int) -> JsonObject:
        """The record in the line at an offset."""
        stream = self.require_stream()
        stream.seek(offset)
        record: JsonObject = json.loads(stream.readline())
        return record

    def assemble(self, files: Mapping[str, Iterable[bytes]], *, all_done: bool) -> None:
        """Write the file from its pieces in one atomic step. Raises OutputError.

        `files` holds the pieces by what the file's name has more: "" is the file itself, others stand beside it. All
        are whole before the first one gets its name.
        If all items are done, the progress file is removed. Otherwise it stays, so that another run can try the rest.
        """
        try:
            with ExitStack() as stack:
                written: list[tuple[Path, Path]] = []
                for more, pieces in files.items():
                    path = self.path.with_name(self.path.name + more)
                    temporary = write_temporary(path, pieces, self.tag)
                    stack.enter_context(removing(temporary))
                    written.append((temporary, path))
                with hold_signals():
                    for temporary, path in written:
                        temporary.replace(path)
                sync_folder(self.path.parent)
        except OSError as error:
            raise make_write_error(self.path, error) from error
        self.is_placed = all_done
