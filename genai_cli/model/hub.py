"""A model's name becomes a pinned commit and the files of that commit on this machine.

Layout of the cache: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genai_cli.errors import GenaiError, ModelError, NetworkError
from genai_cli.events import Detail, Emit, Notice, Progress
from genai_cli.model.files import CARD, FileChoice, choose_files, index_name
from genai_cli.model.kinds import architecture_of, check_kind
from genai_cli.model.names import ModelReference

# The hub's library reads this when it is first imported; nothing is told to anyone about what a user runs.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


@dataclass(frozen=True)
class FetchOptions:
    """Which of a repository's files to have; a task of None takes a model of any kind."""

    task: str | None
    variant: str = "auto"
    dtype: str = "auto"
    unused: frozenset[str] = frozenset()
    offline: bool = False


@dataclass(frozen=True)
class ModelFiles:
    """A model whose files are all in `folder`, of one commit and one variant."""

    reference: ModelReference
    folder: Path
    variant: str | None
    architecture: str
    license: str | None
    unused: frozenset[str]
    """Components that the checkpoint has and this run does without."""


def is_offline(asked: bool) -> bool:
    """Whether no request may be made: `--offline`, or HF_HUB_OFFLINE."""
    from huggingface_hub import constants

    return asked or bool(constants.HF_HUB_OFFLINE)


def resolve(reference: ModelReference, offline: bool, emit: Emit) -> ModelReference:
    """The reference with its revision turned into a commit: one small request, or none where it is pinned or offline.

    Raises ModelError (unknown, gated, not cached), NetworkError (no answer and nothing cached).
    """
    if reference.pinned:
        return reference
    branch = reference.revision or "main"
    cached = cached_commit(reference.id, branch)
    if is_offline(offline):
        if cached is None:
            raise not_cached(reference)
        return replace(reference, revision=cached, branch=branch)
    from huggingface_hub import HfApi

    try:
        commit = HfApi().model_info(reference.id, revision=branch).sha
    except Exception as error:
        failure = hub_failure(error, reference)
        if cached is None or not isinstance(failure, NetworkError):
            raise failure from error
        emit(Notice(f"{failure.message}; using {reference.id} as cached ({cached[:8]})"))
        commit = cached
    return replace(reference, revision=commit, branch=branch)


def fetch(reference: ModelReference, options: FetchOptions, emit: Emit) -> ModelFiles:
    """All files that the model needs, downloaded where they are not at hand; `reference` must be pinned.

    Raises ModelError, NetworkError, RefusedError, or InputError for a model of another kind.
    """
    folder = reference.folder or snapshot_folder(reference)
    try:
        choice = choose_local(folder, reference, options)
    except ModelError:
        if reference.folder is not None:
            raise
        if is_offline(options.offline):
            raise not_cached(reference) from None
        choice = download(reference, options, emit)
    if reference.folder is None:
        remember_branch(reference)
    index = read_json(folder, index_name(choice.files))
    emit(Detail(f"model {reference}, {choice.variant or 'no'} variant, in {folder}"))
    return ModelFiles(reference, folder, choice.variant, architecture_of(index), read_license(folder), options.unused)


def choose_local(folder: Path, reference: ModelReference, options: FetchOptions) -> FileChoice:
    """The choice among the files in a folder. Raises ModelError where they do not suffice."""
    names = {path.relative_to(folder).as_posix() for path in [*folder.glob("*"), *folder.glob("*/*")] if path.is_file()}
    try:
        check_kind(read_json(folder, index_name(names)), options.task, reference.id)
        return choose(names, folder, options)
    except GenaiError as error:
        raise type(error)(prefixed(error.message, reference), error.hint) from None


def choose(names: Iterable[str], folder: Path, options: FetchOptions) -> FileChoice:
    """`choose_files` with the JSON files of a folder."""
    return choose_files(
        set(names), lambda name: read_json(folder, name), options.variant, options.dtype == "float32", options.unused
    )


def download(reference: ModelReference, options: FetchOptions, emit: Emit) -> FileChoice:
    """Download what is needed of a pinned commit; size and free disk are checked before the first weight."""
    from huggingface_hub import HfApi, hf_hub_download

    try:
        info = HfApi().model_info(reference.id, revision=reference.revision, files_metadata=True)
        sizes = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or []}
        stated = {sibling.rfilename: sibling.lfs.sha256 for sibling in info.siblings or [] if sibling.lfs}
        folder = snapshot_folder(reference)

        def read(name: str) -> dict[str, Any]:
            hf_hub_download(reference.id, name, revision=reference.revision)
            return read_json(folder, name)

        check_kind(read(index_name(sizes)), options.task, reference.id)
        choice = choose_files(sizes, read, options.variant, options.dtype == "float32", options.unused)
        missing = {name: sizes[name] for name in choice.files if not (folder / name).exists()}
        check_disk(sum(missing.values()), folder)
        counter = byte_counter(f"fetching {reference.id}", sum(missing.values()), emit)
        # In this order: once the weights are there, so is everything else, which is how a cut download is told.
        for name in missing:
            hf_hub_download(reference.id, name, revision=reference.revision, tqdm_class=counter)
            check_content(folder / name, stated.get(name))
    except GenaiError as error:
        raise type(error)(prefixed(error.message, reference), error.hint) from None
    except Exception as error:
        raise hub_failure(error, reference) from error
    return choice


def check_content(file: Path, sha256: str | None) -> None:
    """Remove a file that is not what the hub states, and raise ModelError; the hub states the hash of large files."""
    if sha256 is None:
        return
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        blob = file.resolve()
        file.unlink()
        blob.unlink(missing_ok=True)
        raise ModelError(
            f"{file.name} arrived damaged and was removed: its SHA-256 is not the one that the hub states",
            hint="run the command again; if it happens again, something between you and the hub changes files",
        )


def byte_counter(label: str, total: int, emit: Emit) -> Any:
    """A progress class for hf_hub_download that adds up the bytes of all files and emits them."""
    from huggingface_hub.utils import tqdm

    class ByteCounter(tqdm):  # type: ignore[misc]
        fetched = 0

        def update(self, n: float | None = 1) -> None:
            ByteCounter.fetched += int(n or 0)
            emit(Progress(label, min(ByteCounter.fetched, total), total))

        def display(self, *_: Any, **__: Any) -> None:
            """The library draws nothing: whoever receives the events does."""

    return ByteCounter


def check_disk(needed: int, folder: Path) -> None:
    """Raise ModelError where the cache's disk has less than `needed` bytes free."""
    existing = next(parent for parent in folder.parents if parent.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise ModelError(
            f"{needed / 1e9:.1f} GB are to be fetched and the disk of {existing} has {free / 1e9:.1f} GB free",
            hint="free some space (genai models remove NAME), or set HF_HOME to a folder on another disk",
        )


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


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """One of a checkpoint's JSON files. Raises ModelError where it is broken."""
    try:
        value = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{name} is broken: {error}") from None
    if not isinstance(value, dict):
        raise ModelError(f"{name} is broken: not a JSON object")
    return value


def read_license(folder: Path) -> str | None:
    """The licence that the model card states in its front matter, or None."""
    card = folder / CARD
    if not card.is_file():
        return None
    from huggingface_hub import ModelCard

    try:
        data = ModelCard.load(card, ignore_metadata_errors=True).data
    except (OSError, ValueError):
        return None
    license_id, named = data.get("license"), data.get("license_name")
    return str(named if license_id == "other" and named else license_id) if license_id else None


def prefixed(message: str, reference: ModelReference) -> str:
    """A message that says which model it is about."""
    return message if message.startswith(reference.id) else f"model {reference.id}: {message}"


def not_cached(reference: ModelReference) -> ModelError:
    """The error for a model that is not on this machine while no request may be made."""
    return ModelError(
        f"{reference} is not in the cache, or not all of it, and genai is offline",
        hint=f"with a network: genai models pull {reference}; or -m tiny, which is built in",
    )


def hub_failure(error: Exception, reference: ModelReference) -> GenaiError:
    """What a failed request means for the user, by the library's error types; any other error is raised as it is."""
    from huggingface_hub import errors

    if not isinstance(error, OSError | errors.HTTPError):
        raise error

    name = reference.id
    if isinstance(error, errors.GatedRepoError):
        hint = f"ask for access on the model's page and log in: hf auth login (or set HF_TOKEN); {name} on the hub"
        return ModelError(f"{name} is gated: its owner gives access on request", hint=hint)
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelError(
            f"{name} has no revision {reference.revision!r}", hint="name a branch, a tag or a commit of it"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return ModelError(
            f"there is no model {name} on the hub, or it is private",
            hint="check the spelling of owner/name; for a private one log in: hf auth login (or set HF_TOKEN)",
        )
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code if error.response is not None else "no"
        return NetworkError(f"the hub answered {status} for {name}", hint="try again later")
    if isinstance(error, OSError) and not isinstance(error, ConnectionError) and error.errno is not None:
        return ModelError(
            f"{name} could not be stored in the cache: {error.strerror}", hint="HF_HOME names another place"
        )
    return NetworkError(f"the hub is not reachable ({type(error).__name__})", hint="--offline uses what is cached")
