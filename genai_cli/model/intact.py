"""Whether files in the cache are what the hub states: checked once when they arrive, and for their size ever after."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from genai_cli.model.storage import DamagedError

# In a repository's folder of the cache: a note for each file that arrived, or will, and is not checked yet.
NOTES = ".unchecked"


def check_size(file: Path) -> None:
    """Raise DamagedError where a safetensors file is not as long as its header says; its tensors are not read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise DamagedError(f"{file.name} is broken: {error}") from None


def check_weights(folder: Path, names: Iterable[str]) -> None:
    """Raise DamagedError where one of the weight files is cut off, or arrived and was never checked and is wrong."""
    for name in names:
        if name.endswith(".safetensors"):
            check_noted(folder, name)
            check_size(folder / name)


def note_file(folder: Path, name: str) -> Path:
    """Where it is noted that a file of a snapshot is unchecked; the note holds the SHA-256 that the hub states."""
    return folder.parent.parent / NOTES / folder.name / name


def note_unchecked(folder: Path, name: str, sha256: str) -> None:
    """Note, before a file is fetched, that it is to be checked: also where the run is killed between the two."""
    note = note_file(folder, name)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(sha256)


def check_noted(folder: Path, name: str) -> None:
    """Check a file that has a note. Raises DamagedError, and removes the file, where it is not what the hub states."""
    note = note_file(folder, name)
    if not note.is_file():
        return
    check_content(folder / name, note.read_text())
    try:
        note.unlink(missing_ok=True)
    except OSError:
        return  # a read-only cache: checked again the next time


def check_content(file: Path, sha256: str) -> None:
    """Remove a file whose SHA-256 is another, and raise DamagedError."""
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        discard(file)
        raise DamagedError(
            f"{file.name} arrived damaged and was removed: its SHA-256 is not the one that the hub states",
            hint="run the command again; if it happens again, something between you and the hub changes files",
        )


def discard(file: Path) -> None:
    """Remove a file of a snapshot together with the content in the cache that it points to."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE).resolve()
    while True:
        target = file.parent / file.readlink() if file.is_symlink() else None
        file.unlink(missing_ok=True)
        # A link that leads out of the cache was made by its owner, who keeps what it leads to.
        if target is None or not target.parent.resolve().is_relative_to(cache):
            return
        file = target
