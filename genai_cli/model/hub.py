"""A model's name becomes a pinned commit and the files of that commit on this machine."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genai_cli.errors import GenaiError, ModelError, NetworkError
from genai_cli.events import Detail, Emit, Notice
from genai_cli.model.choice import choose
from genai_cli.model.client import connection, describe, forbid_requests
from genai_cli.model.download import download
from genai_cli.model.failures import hub_failure, not_cached, prefixed
from genai_cli.model.files import CARD, FetchOptions, FileChoice, index_name
from genai_cli.model.intact import check_weights
from genai_cli.model.kinds import architecture_of
from genai_cli.model.license import check_license, license_notice, read_license
from genai_cli.model.names import COMMIT, ModelReference
from genai_cli.model.safety import refuse_code_settings
from genai_cli.model.storage import DamagedError, cached_commit, names_in, read_json, remember_branch, snapshot_folder


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
    weights: tuple[Path, ...] = ()

    def weight_bytes(self) -> int:
        """The bytes of the weights that are loaded, as they lie in their files."""
        return sum(file.stat().st_size for file in self.weights)


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
    try:
        with connection(emit):
            commit = str(describe(reference.id, branch, files=False).sha)
        if not COMMIT.fullmatch(commit):
            raise NetworkError(f"the hub names no commit of {reference}", hint="HF_ENDPOINT may name something else")
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
    at_hand_only = reference.folder is not None or is_offline(options.offline)
    try:
        choice = choose_local(reference, folder, options, at_hand_only)
    except ModelError as error:
        if at_hand_only:
            raise unusable(error, reference) from None
        choice = download(reference, options, emit)
    except GenaiError as error:
        raise prefixed(error, reference) from None
    forbid_requests()
    if reference.folder is None:
        remember_branch(reference)
    index = read_json(folder, index_name(choice.files))
    emit(Detail(f"model {reference}, {choice.variant or 'no'} variant, in {folder}"))
    license = read_license(folder)
    if notice := license_notice(reference.id, license):
        emit(Notice(notice, once=True))
    weights = tuple(folder / name for name in choice.files if name.endswith(".safetensors"))
    return ModelFiles(reference, folder, choice.variant, architecture_of(index), license, options.unused, weights)


def choose_local(reference: ModelReference, folder: Path, options: FetchOptions, at_hand_only: bool) -> FileChoice:
    """The choice among the files in a folder, judged as before a download.

    Raises ModelError where they do not suffice, DamagedError where one is broken.
    """

    def read(name: str) -> dict[str, Any]:
        return read_json(folder, name)

    names = names_in(folder)
    choice = choose(reference, names, read, options)
    if options.licenses and CARD not in names and not at_hand_only:
        raise ModelError("its card, which states the licence, is not in the cache")
    check_license(reference.id, read_license(folder), options.licenses)
    refuse_code_settings(choice.files, read)
    check_weights(folder, choice.files)
    return choice


def unusable(error: ModelError, reference: ModelReference) -> GenaiError:
    """The error for a model whose files do not suffice and cannot be fetched now, with what mends it."""
    if not isinstance(error, DamagedError):
        return not_cached(reference) if reference.folder is None else prefixed(error, reference)
    hint = "copy or download that file again"
    if reference.folder is None:
        hint = f"with a network: genai models pull {reference} (genai doctor --repair removes what is broken)"
    return prefixed(DamagedError(error.message, hint), reference)
