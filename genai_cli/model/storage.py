"""Where the hub's cache keeps things, and reading them.

Layout of the cache: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

import json
import os
from pathlib import Path
from typing import Any

from genai_cli.errors import ModelError
from genai_cli.model.names import ModelReference

LARGEST_JSON = 64 * 2**20  # bytes; the indices of the largest models have a few million


class DamagedError(ModelError):
    """A file of a model is there and broken."""


def cache_folder(repository: str) -> Path:
    """Where the hub's cache keeps a repository."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=repository, repo_type="model"))


def snapshot_folder(reference: ModelReference) -> Path:
    """Where the cache keeps the files of a commit."""
    return cache_folder(reference.id) / "snapshots" / str(reference.revision)


def cached_commit(repository: str, branch: str) -> str | None:
    """The commit that a branch or tag stood for when it was last fetched."""
    file = cache_folder(repository) / "refs" / branch
    return file.read_text().strip() if file.is_file() else None


def remember_branch(reference: ModelReference) -> None:
    """Note in the cache which commit the branch stood for, once all its files are there: `--offline` reads it."""
    if not reference.branch or cached_commit(reference.id, reference.branch) == reference.revision:
        return
    file = cache_folder(reference.id) / "refs" / reference.branch
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(str(reference.revision))
        temporary.replace(file)
    except OSError:
        return  # A read-only cache serves as it is; only the note for later runs is missing.


def names_in(folder: Path) -> set[str]:
    """The files of a checkpoint in a folder: its own, and those of its components' folders."""
    return {path.relative_to(folder).as_posix() for path in [*folder.glob("*"), *folder.glob("*/*")] if path.is_file()}


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """One of a checkpoint's JSON files. Raises DamagedError where it is broken, or too large to be what it should."""
    file = folder / name
    try:
        if file.stat().st_size > LARGEST_JSON:
            raise DamagedError(f"{name} is broken: larger than {LARGEST_JSON >> 20} MiB")
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedError(f"{name} is broken: {error}") from None
    if not isinstance(value, dict):
        raise DamagedError(f"{name} is broken: not a JSON object")
    return value
