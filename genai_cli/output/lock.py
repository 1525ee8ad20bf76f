"""One run at a time: a lock file that the system frees when its run dies."""

import contextlib
from pathlib import Path
from typing import Any

from genai_cli.errors import OutputError


def take_lock(file: Path, busy: OutputError) -> Any:
    """Take the lock at once and return it. Raises `busy` where another run has it."""
    from filelock import FileLock, Timeout

    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise busy from None
    return lock


def free_lock(lock: Any) -> None:
    """Leave a lock to others; where its file cannot be removed, the next run sees to it."""
    with contextlib.suppress(OSError):
        # Gone before it is released: whoever opens it now gets a new file, after the last write of this run.
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
