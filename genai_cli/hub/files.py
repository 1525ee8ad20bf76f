"""Which files of a repository a model needs: a choice made from names and small JSON files alone."""

import functools
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from genai_cli.errors import ModelError, RefusedError
from genai_cli.hub.access import Access
from genai_cli.hub.catalog import Catalog, ModelKind
from genai_cli.hub.kinds import check_kind
from genai_cli.hub.reference import INDEXES, ModelReference
from genai_cli.hub.safety import WEIGHTS_SETTING, refuse_code_files, refuse_code_settings
from genai_cli.types import JsonObject

ReadJson = Callable[[str], JsonObject]
"""Reads one of a repository's JSON files by its name."""

# Configurations, tokenizers and processors, which are fetched with the weights. Never code, never pickles.
SMALL_FILE = re.compile(r"(.+/)?\w[\w.+-]*\.(json|txt|model|jinja|tiktoken)")
CARD = "README.md"
MODULES = "modules.json"  # of sentence-transformers: what comes after the encoder, each module in a folder of its own
TRAINING_DATA = "data_config.json"  # what a sentence encoder was trained on: a list, which no library reads
MODULE_FILE = re.compile(r"\d+_\w+/(config\.json|model\.safetensors)")
# The stems under which transformers and diffusers look for weights.
WEIGHT_STEMS = ("model", "diffusion_pytorch_model")
UNSAFE_SUFFIXES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".msgpack", ".h5")


@dataclass(frozen=True)
class FetchOptions:
    """What a model is needed for: it decides which files are fetched, and whether they may be.

    A kind of None takes a model of every kind. `unused` names components that are left out.
    """

    kind: ModelKind | None
    catalog: Catalog
    variant: str = "auto"
    dtype: str = "auto"
    unused: frozenset[str] = frozenset()
    access: Access = field(default_factory=Access)
    vae: Path | None = None
    """The weights of a VAE that takes the place of the checkpoint's own."""

    def of_companion(self) -> "FetchOptions":
        """The same for another model that this one needs, of whatever kind."""
        return replace(self, kind=None, unused=frozenset(), vae=None)


@dataclass(frozen=True)
class FileChoice:
    """The files to fetch, small ones first, and the variant of all weights (None: the plain files)."""

    files: tuple[str, ...]
    variant: str | None


def select_model_files(
    reference: ModelReference, names: Collection[str], read_json: ReadJson, options: FetchOptions
) -> FileChoice:
    """The files that a run needs of a model, after checking that it brings no code and is of the right kind.

    `names` are all files of the repository or folder. Raises RefusedError, InputError for a model of another kind,
    ModelError if the files do not suffice.
    """
    read_json = functools.cache(read_json)  # the index is asked for several times, and may come from the hub
    index = find_index(names)
    refuse_code_files(names, list_component_folders(names, read_json, options.unused))
    refuse_code_settings([index], read_json)
    if options.kind is None or options.kind.marker not in names:
        check_kind(read_json(index), options.kind, options.catalog, reference.id)
    return select_files(names, read_json, options.variant, options.dtype == "float32", options.unused)


def find_index(names: Collection[str]) -> str:
    """The file that says what a checkpoint is. Raises ModelError if there is no such file."""
    for name in INDEXES:
        if name in names:
            return name
    raise ModelError(
        "it has no model_index.json (diffusers) and no config.json (transformers)",
        hint="single-file checkpoints and adapters are not complete models; name one in the layout of its library",
    )


def select_files(
    names: Collection[str], read_json: ReadJson, variant: str, wants_float32: bool, unused: frozenset[str]
) -> FileChoice:
    """The files of a variant ("auto", "none" or a name) among the `names` of a repository.

    "auto" takes fp16 if it is complete, unless the user asks for float32. `unused` names components to leave out.
    Raises ModelError if the files do not suffice, RefusedError if there are weights but no safetensors.
    """
    folders = list_component_folders(names, read_json, unused)
    wanted: list[str | None] = [variant]
    if variant == "auto":
        wanted = [None, "fp16"] if wants_float32 else ["fp16", None]
    elif variant == "none":
        wanted = [None]
    for candidate in wanted:
        weights = [select_weights(names, folder, candidate, read_json) for folder in folders]
        if all(found is not None for found in weights):
            small = [name for folder in folders for name in list_small_files(names, folder)]
            top = [name for name in ("model_index.json", "generation_config.json", CARD) if name in names]
            chosen = [*top, *small, *list_module_files(names), *(name for found in weights for name in found or ())]
            return FileChoice(tuple(dict.fromkeys(chosen)), candidate)
    raise missing_weights(names, folders, variant)


def list_component_folders(names: Collection[str], read_json: ReadJson, unused: frozenset[str]) -> list[str]:
    """The folders that hold a pipeline's components, each with a trailing slash; [""] for a transformers model."""
    if find_index(names) == "config.json":
        return [""]
    components = read_json("model_index.json")
    return [
        f"{name}/"
        for name, value in components.items()
        if isinstance(value, list) and len(value) == 2 and all(value) and name not in unused
    ]


def list_small_files(names: Collection[str], folder: str) -> list[str]:
    """The configuration and tokenizer files directly in a folder. Indices of weights come with the weights.

    What a desktop leaves beside them is not chosen: `._config.json` of macOS, "config copy.json", "config (1).json".
    """
    inside = sorted(name for name in names if name.startswith(folder) and "/" not in name[len(folder) :])
    wanted = [name for name in inside if SMALL_FILE.fullmatch(name) and ".index." not in name]
    return [name for name in wanted if name.rpartition("/")[2] != TRAINING_DATA]


def list_module_files(names: Collection[str]) -> list[str]:
    """The files of a sentence encoder's modules: its pooling, and the layers after that."""
    return sorted(filter(MODULE_FILE.fullmatch, names)) if MODULES in names else []


def select_weights(
    names: Collection[str], folder: str, variant: str | None, read_json: ReadJson
) -> tuple[str, ...] | None:
    """The weight files of one component in one variant.

    () for a component that needs no weights, None if weights are missing.
    """
    if not any(name.startswith(folder) for name in names):
        return None
    if not folder and (stated := read_json("config.json").get(WEIGHTS_SETTING)):
        return select_stated_weights(str(stated), names, read_json) if variant is None else None
    mark = f".{variant}" if variant else ""
    for stem in WEIGHT_STEMS:
        single = f"{folder}{stem}{mark}.safetensors"
        if single in names:
            return (single,)
        # Both spellings of a sharded variant's index are in use on the hub.
        indices = dict.fromkeys(
            (f"{folder}{stem}.safetensors.index{mark}.json", f"{folder}{stem}{mark}.safetensors.index.json")
        )
        for index in indices:
            if index in names:
                shards = list_shards(index, folder, read_json(index))
                if all(shard in names for shard in shards):
                    return (index, *shards)
    return () if folder and not needs_weights(names, folder) else None


def select_stated_weights(stated: str, names: Collection[str], read_json: ReadJson) -> tuple[str, ...] | None:
    """The weights that config.json names: transformers takes them, whatever else is there, and has no variants."""
    if stated not in names:
        return None
    shards = list_shards(stated, "", read_json(stated)) if stated.endswith(".json") else []
    return (stated, *shards) if all(shard in names for shard in shards) else None


def list_shards(index: str, folder: str, content: JsonObject) -> list[str]:
    """The files that an index of weights names. Raises ModelError if it names none, RefusedError for pickled ones."""
    weight_map = content.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{index} is broken: it names no files")
    shards = sorted({str(shard) for shard in weight_map.values()})
    unsafe = [shard for shard in shards if not shard.endswith(".safetensors")]
    if unsafe:
        raise RefusedError(
            f"{index} names weights that are not safetensors ({unsafe[0]})",
            hint="take another repository of the model",
        )
    return [folder + shard for shard in shards]


def needs_weights(names: Collection[str], folder: str) -> bool:
    """Whether a pipeline's component is a model: only models have a config.json (schedulers and tokenizers do not)."""
    return f"{folder}config.json" in names


def missing_weights(names: Collection[str], folders: Iterable[str], variant: str) -> ModelError | RefusedError:
    """The error for a checkpoint that lacks the weights of a variant."""
    models = [folder for folder in folders if not folder or needs_weights(names, folder)]
    files = [name for name in names if name.startswith(tuple(models)) and not name.rpartition("/")[2].startswith(".")]
    unsafe = [name for name in files if name.endswith(UNSAFE_SUFFIXES)]
    safe = [name for name in files if name.endswith(".safetensors")]
    if unsafe and not safe:
        return RefusedError(
            f"its weights are pickled files ({sorted(unsafe)[0]}), which can run code when they are read; "
            "genai loads safetensors only",
            hint="a converted revision may exist: try NAME@refs/pr/1, or another repository of the same model",
        )
    if variant not in ("auto", "none"):
        available = sorted(
            {match[1] for name in safe if (match := re.search(r"\.(\w+)(-\d+-of-\d+)?\.safetensors", name))}
        )
        return ModelError(
            f"it has no complete set of {variant!r} files",
            hint=f"variants with files: {', '.join(available)}; or --variant none"
            if available
            else "try --variant auto",
        )
    lacking = [folder or "its folder" for folder in models if not any(name.startswith(folder) for name in safe)]
    where = f": no weights in {', '.join(lacking)}" if lacking else ""
    return ModelError(f"its weights are not complete{where}", hint="download it again: genai models pull NAME")
