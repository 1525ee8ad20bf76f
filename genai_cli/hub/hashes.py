"""The SHA-256 of large files, computed once for each content and kept in the user's cache folder.

Seven gigabytes take 4 to 20 seconds. Size, time of change and place tell one content from the next.
"""

import contextlib
import functools
import hashlib
import json
from pathlib import Path

from genai_cli.atomic import make_process_tag, replace_file
from genai_cli.types import JsonObject

KEPT = 2000  # files
SMALL = 32 * 2**20  # bytes; hashing less takes no longer than looking it up


def find_hashes_file() -> Path:
    """`hashes.json` in the user's cache folder."""
    from platformdirs import user_cache_path

    return user_cache_path("genai") / "hashes.json"


def hash_file(file: Path) -> str:
    """The SHA-256 of a file. Raises OSError."""
    return hash_after(file, 0)


def hash_after(file: Path, start: int) -> str:
    """The SHA-256 of a file's bytes from `start` on. Raises OSError."""
    status = file.stat()
    return hash_content(file.absolute(), start, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=1024)
def hash_content(file: Path, start: int, size: int, modified: int) -> str:
    """The SHA-256 of a file's bytes from `start` on, of that size and time of change."""
    stated, name = [size, modified], f"{file}:{start}" if start else str(file)
    kept = read_hashes().get(name) if size > SMALL else None
    if isinstance(kept, list) and kept[:2] == stated and len(kept) == 3 and isinstance(kept[2], str):
        return kept[2]
    with file.open("rb") as stream:
        stream.seek(start)
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if size > SMALL:
        keep_hash(name, [*stated, found])
    return found


def read_hashes() -> JsonObject:
    """What is kept, by place; empty if the file is missing or broken."""
    try:
        kept = json.loads(find_hashes_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def keep_hash(name: str, value: list[int | str]) -> None:
    """Keep a hash. If the folder cannot be written, it is not kept."""
    kept = {other: found for other, found in read_hashes().items() if other != name} | {name: value}
    lately = dict(list(kept.items())[-KEPT:])
    with contextlib.suppress(OSError):
        place = find_hashes_file()
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_file(place, json.dumps(lately).encode(), make_process_tag())
