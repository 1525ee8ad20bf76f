"""What models are on this machine, how much room they take, and taking them away."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from genai_cli.errors import ModelError, OutputError
from genai_cli.model.client import connection
from genai_cli.model.failures import hub_failure, not_cached
from genai_cli.model.files import CARD
from genai_cli.model.hub import is_offline, resolve
from genai_cli.model.intact import check_size
from genai_cli.model.license import read_license
from genai_cli.model.names import BUILT_IN, BUILT_IN_FOLDER, ModelReference, built_in_tasks
from genai_cli.model.safety import SETTINGS
from genai_cli.model.storage import DamagedError, read_json, snapshot_folder


@dataclass(frozen=True)
class CachedModel:
    """A model on this machine; sizes in bytes, `last_used` in UTC (None: built in)."""

    name: str
    task: str | None
    revision: str | None
    variant: str | None
    size: int
    last_used: datetime | None
    license: str | None


def list_models() -> list[CachedModel]:
    """The built-in models, then those in the hub's cache by name."""
    return [*map(built_in_model, built_in_tasks()), *sorted(cached_models(), key=lambda model: model.name)]


def built_in_model(task: str) -> CachedModel:
    """The built-in model of a task."""
    folder = BUILT_IN_FOLDER / task
    return CachedModel(BUILT_IN, task, None, None, folder_size(folder), None, read_license(folder))


def folder_size(folder: Path) -> int:
    """The bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def scan() -> Any:
    """The library's view of the cache, or None where there is no cache yet."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        return scan_cache_dir()
    except CacheNotFound:
        return None


def cached_models() -> Iterator[CachedModel]:
    """One for each commit of each model repository in the cache."""
    cache = scan()
    for repository in cache.repos if cache else ():
        if repository.repo_type != "model":
            continue
        for revision in repository.revisions:
            used = [file.blob_last_accessed for file in revision.files]
            yield CachedModel(
                repository.repo_id,
                None,
                revision.commit_hash,
                variant_of([file.file_name for file in revision.files]),
                revision.size_on_disk,
                datetime.fromtimestamp(max(used, default=repository.last_accessed), UTC),
                read_license(Path(revision.snapshot_path)),
            )


def variant_of(names: list[str]) -> str | None:
    """The variants that weight files are of: `model.fp16.safetensors` is fp16, `model.safetensors` is plain (None)."""
    found = {parts[1] for name in names if len(parts := name.split(".")) == 3 and parts[2] == "safetensors"}
    return ", ".join(sorted(found)) or None


def broken_files(cache: Path) -> Iterator[tuple[Path, str]]:
    """What in the cache's folder is no good, with the reason: names without a content, parts, and files cut off."""
    yield from ((path, "unfinished") for path in cache.glob("models--*/blobs/*.incomplete"))
    for path in sorted(cache.glob("models--*/snapshots/*/**/*")):
        if path.is_symlink() and not path.exists():
            yield path, "its content is missing"
        elif path.suffix == ".safetensors" or SETTINGS.fullmatch(path.name):
            try:
                if path.suffix == ".safetensors":
                    check_size(path)
                else:
                    read_json(path.parent, path.name)
            except DamagedError as error:
                yield path, error.message.removeprefix(f"{path.name} is ")


def remove(reference: ModelReference) -> int:
    """Remove a repository from the cache, or one revision of it, and return the bytes freed.

    Raises ModelError where it is not in the cache, OutputError where the cache cannot be written.
    """
    if reference.folder is not None:
        raise ModelError(f"{reference.id} is not in the cache, so there is nothing to remove")
    cache = scan()
    wanted = [
        revision.commit_hash
        for repository in (cache.repos if cache else ())
        if repository.repo_id == reference.id and repository.repo_type == "model"
        for revision in repository.revisions
        if reference.revision in (None, revision.commit_hash, *revision.refs)
    ]
    if not wanted:
        raise ModelError(f"{reference} is not in the cache", hint="genai models list shows what is")
    strategy = cache.delete_revisions(*wanted)
    try:
        strategy.execute()
    except OSError as error:
        raise OutputError(f"the cache cannot be changed: {error.strerror}") from error
    return int(strategy.expected_freed_size)


def read_card(reference: ModelReference, offline: bool) -> str:
    """A model's card: from its folder or the cache, else from the hub. Raises ModelError, NetworkError."""
    if reference.folder is not None:
        card = reference.folder / CARD
        if not card.is_file():
            raise ModelError(f"{reference.id} has no model card ({CARD})")
        return card.read_text(encoding="utf-8", errors="replace")
    from huggingface_hub import hf_hub_download

    pinned = resolve(reference, offline, lambda _event: None)
    cached = snapshot_folder(pinned) / CARD
    if not cached.is_file():
        if is_offline(offline):
            raise not_cached(reference)
        try:
            with connection(lambda _event: None):
                hf_hub_download(reference.id, CARD, revision=pinned.revision)
        except Exception as error:
            raise hub_failure(error, reference) from error
    return cached.read_text(encoding="utf-8", errors="replace")
