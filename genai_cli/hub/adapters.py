"""The files that change a model: found on this machine or fetched from the hub, and checked by their headers."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from genai_cli.errors import GenaiError, InputError, ModelError, RefusedError
from genai_cli.events import Emit
from genai_cli.hub.access import Access
from genai_cli.hub.catalog import Catalog
from genai_cli.hub.client import allow_requests, forbid_requests
from genai_cli.hub.control_nets import name_control_net
from genai_cli.hub.download import Repository
from genai_cli.hub.failures import explain_failure, name_model, not_cached
from genai_cli.hub.fetching import is_offline, resolve
from genai_cli.hub.files import CARD, FileChoice
from genai_cli.hub.front_matter import list_tags
from genai_cli.hub.hashes import hash_after, hash_file
from genai_cli.hub.license import check_license, read_license
from genai_cli.hub.reference import ModelReference
from genai_cli.hub.storage import locate_snapshot, remember_branch
from genai_cli.hub.weight_kinds import is_controlnet, is_embedding, is_lora, is_vae, refuse
from genai_cli.hub.weights_file import SUFFIX, Header, read_header
from genai_cli.request.adapter import Adapter, Embedding, Lora, Vae
from genai_cli.request.control import Control, DepthEstimator

# The names under which libraries save an adapter alone in a repository.
USUAL_NAMES = {
    Lora: ("pytorch_lora_weights.safetensors",),
    Embedding: ("learned_embeds.safetensors",),
    Vae: ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors"),
    Control: ("diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors"),
    DepthEstimator: ("model.safetensors",),
}
CHECKS = {Lora: is_lora, Embedding: is_embedding, Vae: is_vae, Control: is_controlnet}
CONFIGURATIONS = ("config.json", "preprocessor_config.json")
AUTOV3 = 12  # hexadecimal digits: https://github.com/civitai/civitai/wiki/REST-API-Reference, "AutoV3"
SHOWN = 5


def find_adapters(adapters: Iterable[Adapter], access: Access, catalog: Catalog, emit: Emit) -> dict[Adapter, Adapter]:
    """Each adapter with its file on this machine and its SHA-256. Raises GenaiError for one that cannot be used."""
    found: dict[Adapter, Adapter] = {}
    for adapter in sorted(adapters, key=lambda adapter: (adapter.name, adapter.sha256)):
        named = adapter
        if isinstance(adapter, Control) and adapter.is_bare:
            named = name_control_net(adapter, access, catalog, emit)
        known = named if named.sha256 else fetch_adapter(named, access, emit)
        if known.path is not None:
            header = read_header(known.path)
            check_header(known, header)
            if isinstance(known, Lora):
                autov3 = hash_after(known.path, header.data_start)[:AUTOV3]
                known = replace(known, autov3=autov3, tags=list_tags(find_card_folder(known, known.path)))
        found[adapter] = known
    return found


def find_card_folder(adapter: Adapter, path: Path) -> Path:
    """Where the card of an adapter would be: at the top of its commit, or beside a file that is not a repository's."""
    if adapter.revision is None:
        return path.parent
    return locate_snapshot(ModelReference(adapter.name.partition(":")[0], adapter.revision))


def check_header(adapter: Adapter, header: Header) -> None:
    """Raise InputError where a file is not what the option takes, and say what it is."""
    check = CHECKS.get(type(adapter))
    if check is None or check(header):
        return
    try:
        described = refuse(Path(adapter.name), header)
    except GenaiError as error:
        described = InputError(error.message, error.hint)
    what = described.message.removeprefix(f"{adapter.name} is ").removesuffix(", not a model").partition(",")[0]
    raise InputError(f"{adapter.name} is {what}, and {type(adapter).words} is asked for", hint=described.hint)


def fetch_adapter(adapter: Adapter, access: Access, emit: Emit) -> Adapter:
    """An adapter of the hub, fetched if it is not in the cache. Raises ModelError, NetworkError, RefusedError."""
    named, _, revision = adapter.wanted.partition("@")
    repository, _, file = named.partition(":")
    reference = resolve(ModelReference(repository, revision or None), access.offline, emit)
    folder = locate_snapshot(reference)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    try:
        try:
            chosen = choose_file(adapter, file, names)
            check_license(repository, read_license(folder), access.licenses)
        except (ModelError, RefusedError):
            if is_offline(access.offline):
                raise not_cached(reference) from None
            chosen = download_adapter(adapter, reference, file, access, emit)
    except GenaiError as error:
        raise name_model(error, reference) from None
    forbid_requests()
    remember_branch(reference)
    path = folder / chosen
    read_header(path)
    return replace(
        adapter,
        wanted="",
        sha256=hash_file(path),
        revision=reference.revision,
        name=f"{repository}:{chosen}" if file else repository,
        path=path,
    )


def download_adapter(adapter: Adapter, reference: ModelReference, file: str, access: Access, emit: Emit) -> str:
    """Fetch the file of an adapter with the card and the configuration beside it, and return its name."""
    try:
        with allow_requests(emit):
            listed = Repository(reference)
            chosen = choose_file(adapter, file, listed.sizes)
            if CARD in listed.sizes:
                listed.ensure(CARD)
            check_license(reference.id, read_license(listed.folder), access.licenses)
            beside = [f"{chosen.rpartition('/')[0]}/{name}".lstrip("/") for name in CONFIGURATIONS]
            small = [name for name in beside if name in listed.sizes]
            listed.fetch(FileChoice((*small, chosen), None), emit)
    except Exception as error:
        raise explain_failure(error, reference) from (None if isinstance(error, GenaiError) else error)
    return chosen


def choose_file(adapter: Adapter, file: str, names: Iterable[str]) -> str:
    """The file that is meant among those of a repository: the named one, one of a usual name, or the only one.

    Raises RefusedError for pickles, ModelError for none or several.
    """
    listed = sorted(names)
    safe = [name for name in listed if name.endswith(SUFFIX)]
    if file:
        if not file.endswith(SUFFIX):
            raise RefusedError(f"{file} is not a safetensors file; genai loads nothing else")
        if file not in safe:
            hint = f"it has {', '.join(safe[:SHOWN])}" if safe else None
            raise ModelError(f"it has no file {file}", hint=hint)
        return file
    for name in USUAL_NAMES.get(type(adapter), ()):
        if name in safe:
            return name
    if len(safe) == 1:
        return safe[0]
    if safe:
        shown = ", ".join(safe[:SHOWN]) + (", ..." if len(safe) > SHOWN else "")
        raise ModelError(f"it has {len(safe)} files: {shown}", hint=f"name one: {adapter.name}:{safe[0]}")
    pickles = [name for name in listed if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    if pickles:
        raise RefusedError(
            f"it has pickled files only ({pickles[0]}), which can run code when they are read; "
            "genai loads safetensors only"
        )
    raise ModelError("it has no safetensors file")
