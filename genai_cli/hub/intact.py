"""Whether files in the cache are complete and correct.

The content is checked against the hub's SHA-256 once, when a file arrives; its size is checked in every run.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from genai_cli.hub.storage import DamagedError

# In a repository's folder of the cache: one note for each file that is being fetched, or has arrived unchecked.
NOTES = ".unchecked"


def check_size(file: Path) -> None:
    """Raise DamagedError if a safetensors file is not as long as its header says. Its tensors are not read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy"):
            pass
    except (SafetensorError, OSError) as error:
        raise DamagedError(f"{file.name} is broken: {error}") from None


def check_weights(folder: Path, names: Iterable[str]) -> None:
    """Raise DamagedError if one of the weight files is cut off, or is still unchecked and has the wrong content."""
    for name in names:
        if name.endswith(".safetensors"):
            check_noted(folder, name)
            check_size(folder / name)


def locate_note(folder: Path, name: str) -> Path:
    """The note that a file of a snapshot is unchecked. The note holds the SHA-256 that the hub states."""
    return folder.parent.parent / NOTES / folder.name / name


def note_unchecked(folder: Path, name: str, sha256: str) -> None:
    """Note that a file has to be checked. Noted before it is fetched, so that a killed run leaves no unchecked file."""
    note = locate_note(folder, name)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(sha256)


def is_partial(folder: Path) -> bool:
    """Whether a file of a snapshot was to be fetched and is not there."""
    notes = folder.parent.parent / NOTES / folder.name
    return any(note.is_file() and not (folder / note.relative_to(notes)).exists() for note in notes.rglob("*"))


def check_noted(folder: Path, name: str) -> None:
    """Check a file that has a note. If it is not what the hub states, remove it and raise DamagedError."""
    note = locate_note(folder, name)
    if not note.is_file():
        return
    check_content(folder / name, note.read_text())
    try:
        note.unlink(missing_ok=True)
    except OSError:
        return  # a read-only cache: the next run checks the file again


def check_content(file: Path, sha256: str) -> None:
    """Check the SHA-256 of a file. If it differs, remove the file and raise DamagedError."""
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
        # The user made a link that leads out of the cache. What it leads to stays.
        if target is None or not target.parent.resolve().is_relative_to(cache):
            return
        file = target
