"""Temporary files beside the files that they are to become: on disk for good before they get their names, and swept."""

import contextlib
import errno
import hashlib
import os
import platform
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

PART = ".genai-part"
ABANDONED = 24 * 3600  # seconds: no run takes this long over one file
# What a system answers that cannot sync a folder at all; anything else is a failure.
CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM}


def process_tag() -> str:
    """What marks the temporary files of this process: its host (and container), and its number there."""
    return f"{host_tag()}-{os.getpid()}"


def host_tag() -> str:
    """This host, or this container of it, in a few hexadecimal digits: process numbers mean nothing elsewhere."""
    processes = Path("/proc/self/ns/pid")
    space = processes.readlink() if processes.is_symlink() else ""
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]


def write_temporary(target: Path, data: bytes | Iterable[bytes], tag: str) -> Path:
    """The bytes, or their pieces, on disk for good in a hidden file beside the target; it is gone where that fails."""
    temporary = target.with_name(f".{tag}-{secrets.token_hex(4)}{PART}")
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


@contextlib.contextmanager
def removing(temporary: Path) -> Iterator[None]:
    """Remove the temporary file in the end, if it is still there; the failure that led there is the one to tell."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sweep(folder: Path, tag: str | None = None) -> None:
    """Remove the temporary files in a folder that no run will take up: of `tag`, and of processes that are gone."""
    for part in folder.glob(f".*{PART}"):
        with contextlib.suppress(OSError):
            if (tag is not None and part.name.startswith(f".{tag}-")) or is_abandoned(part):
                part.unlink()


def is_abandoned(part: Path) -> bool:
    """Whether the process that wrote a temporary file is gone: told on its own host, elsewhere by the file's age."""
    host, _, rest = part.name.removeprefix(".").partition("-")
    number = rest.partition("-")[0]
    if host == host_tag() and number.isdecimal() and os.name == "posix":
        return not is_running(int(number))
    return time.time() - part.stat().st_mtime > ABANDONED


def is_running(number: int) -> bool:
    """Whether a process of this number runs on this host (POSIX: signal 0 asks and does nothing)."""
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, with names that last through a power cut."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for part in missing:
        sync_folder(part.parent)


def sync_folder(folder: Path) -> None:
    """Make a new name last through a power cut, on systems that can. Raises OSError."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise
