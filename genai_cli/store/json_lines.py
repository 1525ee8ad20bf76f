"""Lines of JSON that a killed run may have left torn."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from genai_cli.content.record import from_json, to_line
from genai_cli.types import JsonObject


def read_whole_lines(stream: BinaryIO, longest: int = -1) -> Iterator[tuple[int, JsonObject]]:
    """The lines of a stream, from its start, that are whole JSON objects, each with its offset.

    Everything else is skipped, also lines of more than `longest` bytes (-1: no limit). These are never in memory whole.
    """
    offset, begins = 0, True
    while line := stream.readline(longest):
        ends = line.endswith(b"\n")
        value = parse_object(line) if begins and ends else None
        if value is not None:
            yield offset, value
        offset, begins = offset + len(line), ends


def parse_object(data: bytes) -> JsonObject | None:
    """The JSON object in the data. None for anything else, also for one that is nested too deeply."""
    try:
        value = from_json(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def end_torn_line(path: Path) -> None:
    """Add a line break after a last line that a killed run left torn, so that the next line stands alone."""
    if path.stat().st_size:
        with path.open("r+b") as stream:
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                stream.write(b"\n")


def append_line(path: Path, line: Mapping[str, object], *, sync: bool) -> int:
    """Append a line to a file that exists, synced if asked for, and return its offset. Raises OSError.

    On a failure nothing of the line stays, and no buffer keeps it for later.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        end = os.lseek(descriptor, 0, os.SEEK_END)
        try:
            rest = memoryview(to_line(line))
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if sync:
                os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)
    return end
