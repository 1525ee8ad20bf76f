"""Atomic files: a temporary file is synced to disk beside its target before it gets the final name.

A killed run leaves temporary files behind. `sweep` removes them.
"""

import contextlib
import errno
import hashlib
import os
import platform
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

TEMPORARY = ".genai-part"  # the suffix of a temporary file
ABANDONED = 24 * 3600  # seconds: no run needs this long for one file
# Errors of systems that cannot sync a folder at all. Any other error is a failure.
CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM}


def make_process_tag() -> str:
    """The mark in the names of this process's temporary files: its host (and container) and its process number."""
    return f"{make_host_tag()}-{os.getpid()}"


def make_host_tag() -> str:
    """A few hexadecimal digits for this host, or this container of it: process numbers are valid only here."""
    processes = Path("/proc/self/ns/pid")
    space = processes.readlink() if processes.is_symlink() else ""
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]


def write_temporary(target: Path, data: bytes | Iterable[bytes], tag: str) -> Path:
    """Write and sync the bytes, or their pieces, to a hidden file beside the target. It is removed on a failure."""
    temporary = target.with_name(f".{tag}-{secrets.token_hex(4)}{TEMPORARY}")
    try:
        with temporary.open("xb") as stream:
            stream.writelines([data] if isinstance(data, bytes) else data)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return temporary


def replace_file(target: Path, data: bytes | Iterable[bytes], tag: str) -> None:
    """Write a file in one step, in the place of one that may be there. Raises OSError."""
    temporary = write_temporary(target, data, tag)
    with removing(temporary):
        temporary.replace(target)


@contextlib.contextmanager
def removing(temporary: Path) -> Iterator[None]:
    """Remove the temporary file at the end if it still exists. An error of the block itself is the one to report."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sweep(folder: Path, tag: str | None = None) -> None:
    """Remove the temporary files in a folder that belong to `tag`, or to processes that no longer run."""
    for temporary in folder.glob(f".*{TEMPORARY}"):
        with contextlib.suppress(OSError):
            if (tag is not None and temporary.name.startswith(f".{tag}-")) or is_abandoned(temporary):
                temporary.unlink()


def is_abandoned(temporary: Path) -> bool:
    """Whether the process that wrote a temporary file no longer runs. On another host, the file's age decides."""
    host, _, rest = temporary.name.removeprefix(".").partition("-")
    number = rest.partition("-")[0]
    if host == make_host_tag() and number.isdecimal() and os.name == "posix":
        return not is_running(int(number))
    return time.time() - temporary.stat().st_mtime > ABANDONED


def is_running(number: int) -> bool:
    """Whether a process with this number runs on this host (POSIX: signal 0 only checks)."""
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def find_existing(folder: Path) -> Path:
    """A folder that may not exist yet, or the nearest one above it that does."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents. Their names survive a power cut."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make new names in a folder survive a power cut, on systems that can. Raises OSError."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise
