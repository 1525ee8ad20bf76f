"""Weight files are read from the disk while the libraries are imported."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread

MEMORY = Path("/proc/meminfo")


def read_ahead(files: Sequence[Path]) -> None:
    """Start to read files into the system's cache and return at once. Does nothing where the system cannot do it."""
    if hasattr(os, "sendfile") and MEMORY.is_file():
        Thread(target=read_into_cache, args=(files,), name="read-ahead", daemon=True).start()


def read_into_cache(files: Sequence[Path]) -> None:
    """Read files into the system's cache, unless together they are larger than the available memory.

    The system moves a file to /dev/null, so this process makes no copy and its imports continue meanwhile. What is in
    the cache already costs next to nothing (20 ms a gigabyte, measured).
    """
    with suppress(OSError):
        if sum(file.stat().st_size for file in files) > read_available_memory():
            return
        with Path(os.devnull).open("wb") as nowhere:
            for file in files:
                with file.open("rb") as weights:
                    offset, size = 0, file.stat().st_size
                    while offset < size and (
                        moved := os.sendfile(nowhere.fileno(), weights.fileno(), offset, size - offset)
                    ):
                        offset += moved


def read_available_memory() -> int:
    """The bytes that Linux can give to programs without swapping; 0 where it does not say."""
    for line in MEMORY.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
