"""Where the hub's cache keeps the files of a model, and reading them.

Layout of the cache: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

import json
import os
from pathlib import Path

from genai_cli.errors import ModelError
from genai_cli.hub.reference import ModelReference
from genai_cli.types import JsonObject

POINTER = b"version https://git-lfs.github.com/spec/"  # https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
LARGEST_POINTER = 1024  # bytes
LARGEST_JSON = 64 * 2**20  # bytes; the indices of the largest models have a few million


class DamagedError(ModelError):
    """A file of a model exists and is broken."""


def locate_repository(repository: str) -> Path:
    """Where the hub's cache keeps a repository."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=repository, repo_type="model"))


def locate_snapshot(reference: ModelReference) -> Path:
    """Where the cache keeps the files of a commit."""
    return locate_repository(reference.id) / "snapshots" / str(reference.revision)


def read_branch(repository: str, branch: str) -> str | None:
    """The commit that a branch or tag stood for when it was last fetched."""
    file = locate_repository(repository) / "refs" / branch
    return file.read_text().strip() if file.is_file() else None


def remember_branch(reference: ModelReference) -> None:
    """Note in the cache which commit the branch stood for. `--offline` reads the note.

    Call it when all files of the commit are in the cache.
    """
    if not reference.branch or read_branch(reference.id, reference.branch) == reference.revision:
        return
    file = locate_repository(reference.id) / "refs" / reference.branch
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(str(reference.revision))
        temporary.replace(file)
    except OSError:
        return  # a read-only cache still works; only the note for later runs is missing


def list_names(folder: Path) -> set[str]:
    """The names of the files of a checkpoint: those in its folder, and those in the folders of its components."""
    return {path.relative_to(folder).as_posix() for path in [*folder.glob("*"), *folder.glob("*/*")] if path.is_file()}


def refuse_pointer(folder: Path, name: str) -> None:
    """Raise DamagedError if a file is what Git leaves in place of a large file that it did not fetch."""
    file = folder / name
    try:
        if file.stat().st_size > LARGEST_POINTER:
            return
        content = file.read_bytes()
    except OSError as error:
        raise DamagedError(f"{name} cannot be read: {error.strerror}") from None
    if content.startswith(POINTER):
        raise DamagedError(
            f"{name} is a Git LFS pointer, not the file itself", hint="fetch the large files: git lfs pull"
        )


def read_json(folder: Path, name: str) -> JsonObject:
    """One of a checkpoint's JSON files. Raises DamagedError if it is broken, or larger than such a file can be."""
    file = folder / name
    if file.is_file():
        refuse_pointer(folder, name)
    try:
        if file.stat().st_size > LARGEST_JSON:
            raise DamagedError(f"{name} is broken: larger than {LARGEST_JSON >> 20} MiB")
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedError(f"{name} is broken: {error}") from None
    if not isinstance(value, dict):
        raise DamagedError(f"{name} is broken: not a JSON object")
    return value
