"""Weights in fewer bits that were made of a model's files: kept for the next run, listed, bounded and removed.

Those of a model of the hub are in its folder of the hub's cache, and go with it; those of other folders are in the
user's cache folder. Each is a folder of its own, which gets its name when it is whole.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from genai_cli.atomic import TEMPORARY, is_abandoned, make_process_tag, sync_folder
from genai_cli.hub.fetching import ModelFiles
from genai_cli.hub.reference import ModelReference
from genai_cli.hub.storage import locate_repository
from genai_cli.types import JsonObject

PLACE = ".genai-quantized"  # in the folder of a repository of the hub's cache
ABOUT = "about.json"
MOST_BYTES = 20_000_000_000  # of all together; those that were not used for longest go first
DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # what the hub's cache calls a file by: the hash of its content


@dataclass(frozen=True)
class KeptWeights:
    """Weights that are kept: of which model, how they were made smaller, their bytes, and when they were last used."""

    folder: Path
    model: str
    revision: str | None
    quantize: str
    size: int
    last_used: datetime


def locate_place(reference: ModelReference) -> Path:
    """Where the small weights of a model are kept."""
    if reference.folder is None:
        return locate_repository(reference.id) / PLACE
    return locate_user_place()


def locate_user_place() -> Path:
    """Where those of models are kept that are not in the hub's cache."""
    from platformdirs import user_cache_path

    return user_cache_path("genai") / "quantized"


def build_kept_key(files: ModelFiles, *words: str) -> str:
    """What small weights belong to: the content of the model's files, and in words how they were made."""
    named = [*files.weights, *sorted(files.folder.glob("*.json"))]
    stamps = [stamp_file(file) for file in named]
    return hashlib.sha256(json.dumps([stamps, words]).encode()).hexdigest()[:24]


def stamp_file(file: Path) -> list[str | int]:
    """What changes with a file's content: the hash in the hub's cache, else its size, times and place on the disk."""
    name = file.readlink().name if file.is_symlink() else ""
    if DIGEST.fullmatch(name):
        return [name]
    found = file.stat()
    return [str(file.resolve()), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def read_about(folder: Path) -> JsonObject | None:
    """What is noted of kept weights; None where there are none."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) else None


def note_use(folder: Path) -> None:
    """Note that kept weights are used now; those of a read-only cache stay as they are."""
    with contextlib.suppress(OSError):
        os.utime(folder / ABOUT)


def list_places() -> Iterator[Path]:
    """All folders in which small weights are kept."""
    from huggingface_hub import constants

    yield from sorted(Path(constants.HF_HUB_CACHE).glob(f"models--*/{PLACE}"))
    yield locate_user_place()


def list_kept() -> list[KeptWeights]:
    """All weights that are kept, those that were not used for longest first."""
    found = []
    for place in list_places():
        for folder in sorted(place.glob("[!.]*")):
            if (about := read_about(folder)) is not None:
                used = datetime.fromtimestamp((folder / ABOUT).stat().st_mtime, UTC)
                names = str(about.get("model")), about.get("revision"), str(about.get("quantize"))
                found.append(KeptWeights(folder, *names, measure_kept(folder), used))
    return sorted(found, key=lambda kept: kept.last_used)


def find_kept(reference: ModelReference) -> list[KeptWeights]:
    """The weights that were kept of a model, whatever its revision."""
    name = str(reference.folder.resolve()) if reference.folder else reference.id
    return [kept for kept in list_kept() if kept.model == name]


def measure_kept(folder: Path) -> int:
    """The bytes of kept weights."""
    return sum(path.stat().st_size for path in folder.glob("*"))


def remove_kept(kept: Sequence[KeptWeights]) -> int:
    """Remove weights, and return the bytes freed. Raises OSError."""
    for one in kept:
        shutil.rmtree(one.folder)
    return sum(one.size for one in kept)


def make_room(place: Path, size: int) -> bool:
    """Remove those that were not used for longest until `size` more bytes fit; False where the disk has no room."""
    for leftover in place.glob(f".*{TEMPORARY}"):
        if is_abandoned(leftover):
            shutil.rmtree(leftover, ignore_errors=True)
    kept = list_kept()
    while kept and sum(one.size for one in kept) + size > MOST_BYTES:
        remove_kept([kept.pop(0)])
    return size <= MOST_BYTES and shutil.disk_usage(place).free > 2 * size


def begin_keeping(place: Path) -> Path:
    """A new hidden folder that is to become one of kept weights. Raises OSError."""
    folder = place / f".{make_process_tag()}-{secrets.token_hex(4)}{TEMPORARY}"
    folder.mkdir(parents=True)
    return folder


def finish_keeping(unfinished: Path, key: str, about: JsonObject) -> None:
    """Give a folder whose files are whole its name, in one step. Raises OSError."""
    (unfinished / ABOUT).write_text(json.dumps(about), encoding="utf-8")
    for file in unfinished.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    final = unfinished.with_name(key)
    if final.exists():
        shutil.rmtree(final)
    unfinished.rename(final)
    sync_folder(final.parent)
