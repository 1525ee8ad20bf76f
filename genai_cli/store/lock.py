"""One run at a time: a lock file that the system releases when its run dies."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.errors import OutputError

if TYPE_CHECKING:
    from filelock import FileLock


def take_lock(file: Path, busy: OutputError) -> "FileLock":
    """Take the lock without waiting, and return it. Raises `busy` if another run holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise busy from None
    return lock


def free_lock(lock: "FileLock") -> None:
    """Release a lock and remove its file. If the file cannot be removed, it stays for the next run."""
    with contextlib.suppress(OSError):
        # Removed before the release: whoever opens it now gets a new file, after the last write of this run.
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
