"""A model's name becomes a pinned commit, and the files of that commit on this machine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from genai_cli.errors import GenaiError, InputError, ModelError, NetworkError
from genai_cli.events import Detail, Emit, Notice
from genai_cli.hub.catalog import Catalog, ModelKind
from genai_cli.hub.client import allow_requests, forbid_requests, request_info
from genai_cli.hub.download import download
from genai_cli.hub.failures import explain_failure, name_model, not_cached
from genai_cli.hub.files import CARD, FetchOptions, FileChoice, find_index, select_model_files
from genai_cli.hub.intact import check_weights
from genai_cli.hub.kinds import check_kind, read_architecture, wrong_kind
from genai_cli.hub.license import check_license, explain_license, read_license
from genai_cli.hub.names import HUB_NAME
from genai_cli.hub.reference import COMMIT, ModelReference
from genai_cli.hub.safety import refuse_code_settings
from genai_cli.hub.single_file import LAYOUTS, describe
from genai_cli.hub.storage import (
    DamagedError,
    list_names,
    locate_snapshot,
    read_branch,
    read_json,
    refuse_pointer,
    remember_branch,
)
from genai_cli.hub.weights_file import read_header
from genai_cli.types import JsonObject

# What a user of a checkpoint without a VAE may add.
VAE_OF_1_AND_2, VAE_OF_XL = "stabilityai/sd-vae-ft-mse", "madebyollin/sdxl-vae-fp16-fix"


@dataclass(frozen=True)
class ModelFiles:
    """A model whose files are all in `folder`, of one commit and one variant."""

    reference: ModelReference
    folder: Path
    variant: str | None
    architecture: str
    license: str | None
    unused: frozenset[str]
    """Components of the checkpoint that this run does not use."""
    weights: tuple[Path, ...] = ()
    kind: ModelKind | None = None
    """The kind that the model was fetched as; None for any."""
    catalog: Catalog = field(default_factory=Catalog.hold)
    vae: Path | None = None
    """The weights of the VAE that takes the place of the checkpoint's own."""
    companions: Mapping[str, "ModelFiles"] = field(default_factory=dict)
    """The other models that this one needs, by their names."""

    @property
    def single(self) -> Path | None:
        """The file of a single-file checkpoint, whose configurations are in `folder`."""
        return self.reference.file

    def count_weight_bytes(self) -> int:
        """The size of the weight files that are loaded."""
        return sum(file.stat().st_size for file in self.weights)

    def wrong_kind(self, words: str) -> InputError:
        """The error for a model that turns out to be of another kind when its library is imported."""
        return wrong_kind(self.reference.id, words, self.architecture, self.kind, self.catalog)


def is_offline(asked: bool) -> bool:
    """Whether no request may be made: because of `--offline`, or of HF_HUB_OFFLINE."""
    from huggingface_hub import constants

    return asked or bool(constants.HF_HUB_OFFLINE)


def resolve(reference: ModelReference, offline: bool, emit: Emit) -> ModelReference:
    """The reference with a commit as its revision. One small request, or none if it is pinned or genai is offline.

    Raises ModelError (unknown, gated, not cached), NetworkError (no answer and nothing cached).
    """
    if reference.pinned:
        return reference
    branch = reference.revision or "main"
    cached = read_branch(reference.id, branch)
    if is_offline(offline):
        if cached is None:
            raise not_cached(reference)
        return replace(reference, revision=cached, branch=branch)
    try:
        with allow_requests(emit):
            commit = str(request_info(reference.id, branch, files=False).sha)
        if not COMMIT.fullmatch(commit):
            raise NetworkError(f"the hub names no commit of {reference}", hint="check what HF_ENDPOINT is set to")
    except Exception as error:
        failure = explain_failure(error, reference)
        if cached is None or not isinstance(failure, NetworkError):
            raise failure from error
        emit(Notice(f"{failure.message}; using {reference.id} as cached ({cached[:8]})"))
        commit = cached
    return replace(reference, revision=commit, branch=branch)


def fetch(reference: ModelReference, options: FetchOptions, emit: Emit) -> ModelFiles:
    """All files that the model needs, downloaded if they are missing. `reference` must be pinned.

    Raises ModelError, NetworkError, RefusedError, or InputError for a model of another kind.
    """
    if reference.file is not None:
        return open_single_file(reference, reference.file, options, emit)
    folder = reference.folder or locate_snapshot(reference)
    local_only = reference.folder is not None or is_offline(options.access.offline)
    try:
        choice = select_local_files(reference, folder, options, local_only)
    except ModelError as error:
        if local_only:
            raise unusable(error, reference) from None
        choice = download(reference, options, emit)
    except GenaiError as error:
        raise name_model(error, reference) from None
    forbid_requests()
    if reference.folder is None:
        remember_branch(reference)
    index = read_json(folder, find_index(choice.files))
    emit(Detail(f"model {reference}, {choice.variant or 'no'} variant, in {folder}"))
    license = read_license(folder)
    if notice := explain_license(reference.id, license):
        emit(Notice(notice, once=True))
    weights = tuple(folder / name for name in choice.files if name.endswith(".safetensors"))
    return ModelFiles(
        reference=reference,
        folder=folder,
        variant=choice.variant,
        architecture=read_architecture(index),
        license=license,
        unused=options.unused,
        weights=weights,
        kind=options.kind,
        catalog=options.catalog,
        vae=options.vae,
    )


def fetch_companions(files: ModelFiles, names: Iterable[str], options: FetchOptions, emit: Emit) -> ModelFiles:
    """The model with others that it needs, each of the newest commit. Raises as `resolve` and `fetch` do."""
    others = options.of_companion()
    found = {}
    for name in names:
        if not HUB_NAME.fullmatch(name) or ".." in name:
            raise ModelError(f"{files.reference.id} needs {name!r}, which is not a model of the hub")
        reference = resolve(ModelReference(name), options.access.offline, emit)
        found[name] = fetch(reference, others, emit)
    return replace(files, companions=found) if found else files


def open_single_file(reference: ModelReference, file: Path, options: FetchOptions, emit: Emit) -> ModelFiles:
    """A single-file checkpoint, with the package's configurations. No request is made for one.

    Raises ModelError, RefusedError, and InputError for a file of another kind or without a VAE.
    """
    kind = describe(file)
    folder = LAYOUTS / kind.layout
    index = read_json(folder, find_index(list_names(folder)))
    check_kind(index, options.kind, options.catalog, reference.id)
    license = read_header(file).metadata.get("modelspec.license")
    check_license(reference.id, license, options.access.licenses)
    if not kind.has_vae and options.vae is None:
        raise InputError(
            f"{reference.id} holds no VAE, which turns what it makes into a picture",
            hint=f"--vae FILE_OR_NAME adds one: {VAE_OF_XL if kind.layout == 'sdxl' else VAE_OF_1_AND_2}",
        )
    forbid_requests()
    emit(Detail(f"model {file} is {kind.words}, sha256 {reference.revision}"))
    if notice := explain_license(reference.id, license):
        emit(Notice(notice, once=True))
    return ModelFiles(
        reference=reference,
        folder=folder,
        variant=None,
        architecture=read_architecture(index),
        license=license,
        unused=options.unused,
        weights=(file,),
        kind=options.kind,
        catalog=options.catalog,
        vae=options.vae,
    )


def select_local_files(reference: ModelReference, folder: Path, options: FetchOptions, local_only: bool) -> FileChoice:
    """The choice among the files in a folder, with the same checks as before a download.

    Raises RefusedError, InputError, ModelError if the files do not suffice, DamagedError if one is broken.
    """

    def read(name: str) -> JsonObject:
        return read_json(folder, name)

    names = list_names(folder)
    if not local_only and not any(name.endswith(".safetensors") for name in names):
        raise ModelError("its weights are not in the cache")  # beside pickled ones the hub may have them
    choice = select_model_files(reference, names, read, options)
    licenses = options.access.licenses
    if licenses and CARD not in names and not local_only:
        raise ModelError("its card, which states the licence, is not in the cache")
    check_license(reference.id, read_license(folder), licenses)
    refuse_code_settings(choice.files, read)
    for name in choice.files:
        if name != CARD:
            refuse_pointer(folder, name)
    check_weights(folder, choice.files)
    return choice


def unusable(error: ModelError, reference: ModelReference) -> GenaiError:
    """The error for a model whose files do not suffice and cannot be fetched now, with a hint how to mend it."""
    if not isinstance(error, DamagedError):
        return not_cached(reference) if reference.folder is None else name_model(error, reference)
    hint = error.hint or "copy or download that file again"
    if reference.folder is None:
        hint = f"with a network: genai models pull {reference} (genai doctor --repair removes broken files)"
    return name_model(DamagedError(error.message, hint), reference)
