"""The cache of small pictures stays small: what was not used for longest goes first, and what is too old goes anyway.

Other processes may read and write there meanwhile. A file that goes while it is read stays readable to its reader, and
one that is missing is made again, so no lock is needed.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from genai_cli.atomic import make_process_tag, replace_file, sweep

MOST_BYTES = 500_000_000  # of all that is kept
SECONDS = 90 * 86400.0  # that a file is kept without being used
PAUSE = 86400.0  # seconds between two looks at the whole cache; looking takes a moment where it is full
SLACK = 50_000_000  # bytes that a process may add before it looks itself
USE = 3600.0  # seconds in which a use is not noted again
THUMBNAILS, INDEXES, LOOKED = "thumbnails", "folders", "looked"
# What the cache holds, by folder and name. Nothing else is ever removed.
KEPT = re.compile(r"[0-9a-f]{64}(-\d+)?\.json")


class Kept(NamedTuple):
    """A file of the cache: when it was used last, its bytes, and where it lies."""

    used: float
    size: int
    path: str


def note_use(file: Path) -> None:
    """Note that a file is used now. Its time of change stays what it is."""
    with suppress(OSError):
        status, now = file.stat(), time.time()
        if now - status.st_atime > USE:
            os.utime(file, ns=(int(now * 1e9), status.st_mtime_ns))


def prune_sometimes(cache: Path, added: int) -> None:
    """Prune the cache if nobody did for a day, or if this process has added much to it."""
    looked = cache / LOOKED
    with suppress(OSError):
        if added < SLACK and looked.is_file() and 0 <= time.time() - looked.stat().st_mtime < PAUSE:
            return
        replace_file(looked, b"", make_process_tag())
        prune(cache)


def prune(cache: Path, most_bytes: int = MOST_BYTES, seconds: float = SECONDS) -> None:
    """Remove what was not used for so long, and what was not used for longest, until all of it fits."""
    for folder in list_folders(cache):
        sweep(folder)
    found = sorted(list_kept(cache))
    total, oldest = sum(one.size for one in found), time.time() - seconds
    for one in found:
        if total <= most_bytes and one.used >= oldest:
            return
        with suppress(OSError):
            Path(one.path).unlink()
        total -= one.size  # gone either way, or not to be removed


def list_folders(cache: Path) -> Iterator[Path]:
    """The folders that hold what is kept. A link is not followed: it may lead to files of another kind."""
    for place in (cache, cache / INDEXES, *sorted((cache / THUMBNAILS).glob("[0-9a-f][0-9a-f]"))):
        if place.is_dir() and not place.is_symlink():
            yield place


def list_kept(cache: Path) -> Iterator[Kept]:
    """What is kept. What another process removes meanwhile is left out."""
    for folder in list_folders(cache):
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    if KEPT.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        yield Kept(max(status.st_atime, status.st_mtime), status.st_size, entry.path)
