"""The files that answers name by their address: kept for a while, under names that nobody guesses."""

import re
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from genai_cli.atomic import make_folder, make_process_tag, replace_file, sweep, write_temporary
from genai_cli.errors import OutputError

# No other file of the folder is served or removed. 32 characters hold 192 bits of chance.
NAME = re.compile(r"genai-[A-Za-z0-9_-]{32}\.[a-z0-9]{2,5}")
SECONDS = 3600.0
MOST_BYTES = 1_000_000_000


@dataclass
class KeptFiles:
    """A folder of files, each for `seconds`, and together at most `most_bytes`: the oldest go first."""

    folder: Path
    seconds: float = SECONDS
    most_bytes: int = MOST_BYTES
    lock: threading.Lock = field(default_factory=threading.Lock)
    next_look: threading.Timer | None = None

    def open(self) -> None:
        """Make the folder, and remove what an earlier server left too long. Raises OutputError."""
        try:
            make_folder(self.folder)
            sweep(self.folder)
            write_temporary(self.folder / "test", b"", make_process_tag()).unlink()
            self.tidy()
        except OSError as error:
            what = f"cannot write to {self.folder}: {error.strerror or error}"
            raise OutputError(what, hint="--keep-files names another folder") from None

    def keep(self, data: bytes, suffix: str) -> Path:
        """A new file with these bytes, after those that are too many have gone. Raises OSError."""
        with self.lock:
            self.make_room(len(data))
            path = self.folder / f"genai-{secrets.token_urlsafe(24)}{suffix}"
            replace_file(path, data, make_process_tag())
        if self.next_look is None:
            self.tidy()
        return path

    def read(self, name: str) -> bytes | None:
        """The file of a name, or None where it is gone."""
        path = self.folder / name
        with suppress(OSError):
            if NAME.fullmatch(name) and time.time() - path.stat().st_mtime <= self.seconds:
                return path.read_bytes()
        return None

    def tidy(self) -> None:
        """Remove what is too old, now and again when the next file will be."""
        with self.lock, suppress(OSError):  # of a folder that is gone, the next file tells
            ends = self.make_room(0)
            if self.next_look is not None:
                self.next_look.cancel()
            self.next_look = None
            if ends is not None:
                self.next_look = threading.Timer(max(ends - time.time(), 0) + 1, self.tidy)
                self.next_look.daemon = True
                self.next_look.start()

    def make_room(self, size: int) -> float | None:
        """Remove the oldest files until so many bytes more may be kept; when the oldest of the others ends."""
        found = []
        for path in self.folder.iterdir():
            with suppress(OSError):
                if NAME.fullmatch(path.name):
                    status = path.stat()
                    found.append((status.st_mtime, status.st_size, path))
        total = sum(held for _, held, _ in found) + size
        for made, held, path in sorted(found):
            if total <= self.most_bytes and time.time() - made <= self.seconds:
                return made + self.seconds
            path.unlink(missing_ok=True)
            total -= held
        return None
