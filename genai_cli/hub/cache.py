"""Which models are on this machine, how much room they take, and removing them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.errors import ModelError, OutputError
from genai_cli.events import ignore
from genai_cli.hub.catalog import Catalog
from genai_cli.hub.client import allow_requests
from genai_cli.hub.download import download_file
from genai_cli.hub.failures import explain_failure, not_cached
from genai_cli.hub.fetching import is_offline, resolve
from genai_cli.hub.files import CARD
from genai_cli.hub.intact import check_size, is_partial
from genai_cli.hub.kept import KeptWeights, find_kept, list_kept, remove_kept
from genai_cli.hub.license import read_license
from genai_cli.hub.reference import BUILT_IN, ModelReference
from genai_cli.hub.safety import SETTINGS
from genai_cli.hub.storage import DamagedError, locate_snapshot, read_json

if TYPE_CHECKING:
    from huggingface_hub import CachedRepoInfo, HFCacheInfo


@dataclass(frozen=True)
class CachedModel:
    """A model on this machine. The size is in bytes; `last_used` is in UTC, and None for a built-in model.

    Of a partial model a download was interrupted: the size is of what is there.
    """

    name: str
    task: str | None
    revision: str | None
    variant: str | None
    size: int
    last_used: datetime | None
    license: str | None
    partial: bool = False


def list_models(catalog: Catalog) -> list[CachedModel]:
    """The built-in models by task, then by name those in the hub's cache, and those kept in fewer bits."""
    return [*list_built_in(catalog), *sorted([*list_cached(), *list_small()], key=lambda model: model.name)]


def list_built_in(catalog: Catalog) -> Iterator[CachedModel]:
    """The models inside the package, by task."""
    for task in catalog.built_in_tasks():
        if folder := catalog.built_in(task).folder:
            yield CachedModel(BUILT_IN, task, None, None, measure_folder(folder), None, read_license(folder))


def measure_folder(folder: Path) -> int:
    """The bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def scan_cache() -> "HFCacheInfo | None":
    """The library's view of the cache, or None if there is no cache yet."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        return scan_cache_dir()
    except CacheNotFound:
        return None


def select_repositories(cache: "HFCacheInfo | None", name: str | None = None) -> "list[CachedRepoInfo]":
    """The repositories of models in the cache; with a name, that one alone."""
    models = (found for found in (cache.repos if cache else ()) if found.repo_type == "model")
    return [found for found in models if name in (None, found.repo_id)]


def measure_cached(name: str) -> int:
    """The bytes that a model repository takes in the cache; 0 if it is not there."""
    return sum(found.size_on_disk for found in select_repositories(scan_cache(), name))


def list_cached() -> Iterator[CachedModel]:
    """One entry for each commit of each model repository in the cache."""
    for repository in select_repositories(scan_cache()):
        for revision in repository.revisions:
            used = [file.blob_last_accessed for file in revision.files]
            yield CachedModel(
                repository.repo_id,
                None,
                revision.commit_hash,
                tell_variant([file.file_name for file in revision.files]),
                revision.size_on_disk,
                datetime.fromtimestamp(max(used, default=repository.last_accessed), UTC),
                read_license(Path(revision.snapshot_path)),
                is_partial(Path(revision.snapshot_path)),
            )


def list_snapshots(name: str | None = None) -> Iterator[Path]:
    """The folder of each commit of each model repository in the cache; with a name, of that repository alone."""
    for repository in select_repositories(scan_cache(), name):
        yield from (Path(revision.snapshot_path) for revision in repository.revisions)


def list_small() -> Iterator[CachedModel]:
    """The weights in fewer bits that earlier runs kept; their variant says so."""
    for kept in list_kept():
        variant = f"{kept.quantize}, made here"
        yield CachedModel(kept.model, None, kept.revision, variant, kept.size, kept.last_used, None)


def tell_variant(names: list[str]) -> str | None:
    """The variants among weight files: `model.fp16.safetensors` is fp16, `model.safetensors` is plain (None)."""
    found = {parts[1] for name in names if len(parts := name.split(".")) == 3 and parts[2] == "safetensors"}
    return ", ".join(sorted(found)) or None


def find_broken_files(cache: Path) -> Iterator[tuple[Path, str]]:
    """The broken files in the cache's folder, each with the reason: unfinished, cut off, or without content."""
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

    Weights in fewer bits that were made of it go too; of a folder they are all that goes. Raises ModelError if there is
    nothing to remove, OutputError if the cache cannot be written.
    """
    small = find_kept(reference)
    if reference.folder is not None and not small:
        raise ModelError(f"{reference.id} is not in the cache, so there is nothing to remove")
    if reference.folder is not None:
        return remove_small(small)
    cache = scan_cache()
    own = select_repositories(cache, reference.id)
    wanted = [
        revision.commit_hash
        for repository in own
        for revision in repository.revisions
        if reference.revision in (None, revision.commit_hash, *revision.refs)
    ]
    small = [kept for kept in small if reference.revision is None or kept.revision in wanted]
    if cache is None or not wanted:
        raise ModelError(f"{reference} is not in the cache", hint="genai models list shows the models in the cache")
    # The library deletes a commit from all repositories that have it: it is shown this one alone.
    strategy = replace(cache, repos=frozenset(own)).delete_revisions(*wanted)
    freed = remove_small(small)
    try:
        strategy.execute()
    except OSError as error:
        raise OutputError(f"the cache cannot be changed: {error.strerror}") from error
    return freed + strategy.expected_freed_size


def remove_small(small: Sequence[KeptWeights]) -> int:
    """Remove weights in fewer bits, and return the bytes freed. Raises OutputError."""
    try:
        return remove_kept(small)
    except OSError as error:
        raise OutputError(f"the cache cannot be changed: {error.strerror}") from error


def read_card(reference: ModelReference, offline: bool) -> str:
    """A model's card, from its folder or the cache, otherwise from the hub. Raises ModelError, NetworkError."""
    if reference.folder is not None:
        card = reference.folder / CARD
        if not card.is_file():
            raise ModelError(f"{reference.id} has no model card ({CARD})")
        return card.read_text(encoding="utf-8", errors="replace")
    pinned = resolve(reference, offline, ignore)
    cached = locate_snapshot(pinned) / CARD
    if not cached.is_file():
        if is_offline(offline):
            raise not_cached(reference)
        try:
            with allow_requests(ignore):
                download_file(pinned, CARD)
        except Exception as error:
            raise explain_failure(error, reference) from error
    return cached.read_text(encoding="utf-8", errors="replace")
