"""Which files of a repository a model needs: a choice made from names and small JSON files alone."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from genai_cli.errors import ModelError, RefusedError

ReadJson = Callable[[str], dict[str, Any]]

# Beside the weights: configurations, tokenizers, processors. Never code, never pickles.
SMALL_FILE = re.compile(r".+\.(json|txt|model|jinja|tiktoken)")
CARD = "README.md"
# The stems under which transformers and diffusers look for weights.
WEIGHT_STEMS = ("model", "diffusion_pytorch_model")
UNSAFE_SUFFIXES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".msgpack", ".h5")


@dataclass(frozen=True)
class FetchOptions:
    """Which of a repository's files to have; a task of None takes a model of any kind.

    `licenses` are those that are allowed, in lower case; none means all.
    """

    task: str | None
    variant: str = "auto"
    dtype: str = "auto"
    unused: frozenset[str] = frozenset()
    offline: bool = False
    licenses: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FileChoice:
    """The files to have, small ones first, and the variant that all weights are of (None: the plain files)."""

    files: tuple[str, ...]
    variant: str | None


def index_name(names: Collection[str]) -> str:
    """The file that tells what a checkpoint is. Raises ModelError where there is none."""
    for name in ("model_index.json", "config.json"):
        if name in names:
            return name
    raise ModelError(
        "no model_index.json (diffusers) and no config.json (transformers) in it",
        hint="single-file checkpoints and adapters are no whole model; name one in diffusers or transformers layout",
    )


def choose_files(
    names: Collection[str], read_json: ReadJson, variant: str, wants_float32: bool, unused: frozenset[str]
) -> FileChoice:
    """The files for `variant` ("auto", "none" or a name) among the `names` of a repository.

    `read_json` reads one of its JSON files; `unused` names components to leave out. "auto" takes fp16 where it is
    complete, unless float32 is asked for by name. Raises ModelError where the files do not suffice, RefusedError
    where there are weights but none as safetensors.
    """
    folders = component_folders(names, read_json, unused)
    wanted: list[str | None] = [variant]
    if variant == "auto":
        wanted = [None, "fp16"] if wants_float32 else ["fp16", None]
    elif variant == "none":
        wanted = [None]
    for candidate in wanted:
        weights = [choose_weights(names, folder, candidate, read_json) for folder in folders]
        if all(found is not None for found in weights):
            small = [name for folder in folders for name in small_files(names, folder)]
            top = [name for name in ("model_index.json", "generation_config.json", CARD) if name in names]
            chosen = [*top, *small, *(name for found in weights for name in found or ())]
            return FileChoice(tuple(dict.fromkeys(chosen)), candidate)
    raise missing_weights(names, folders, variant)


def component_folders(names: Collection[str], read_json: ReadJson, unused: frozenset[str]) -> list[str]:
    """The folders that hold a pipeline's components, each with a trailing slash; [""] for a transformers model."""
    if index_name(names) == "config.json":
        return [""]
    components = read_json("model_index.json")
    return [
        f"{name}/"
        for name, value in components.items()
        if isinstance(value, list) and len(value) == 2 and all(value) and name not in unused
    ]


def small_files(names: Collection[str], folder: str) -> list[str]:
    """The configuration and tokenizer files directly in a folder (indices of weights come with the weights)."""
    inside = sorted(name for name in names if name.startswith(folder) and "/" not in name[len(folder) :])
    return [name for name in inside if SMALL_FILE.fullmatch(name) and ".index." not in name]


def choose_weights(
    names: Collection[str], folder: str, variant: str | None, read_json: ReadJson
) -> tuple[str, ...] | None:
    """The weight files of one component in one variant; () where it has no weights by nature, None where they lack."""
    if not any(name.startswith(folder) for name in names):
        return None
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
                shards = shards_of(index, folder, read_json(index))
                if all(shard in names for shard in shards):
                    return (index, *shards)
    return () if folder and not needs_weights(names, folder) else None


def shards_of(index: str, folder: str, content: dict[str, Any]) -> list[str]:
    """The files that an index of weights names. Raises ModelError for none, RefusedError for pickled ones."""
    weight_map = content.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ModelError(f"{index} is broken: it names no files")
    shards = sorted({str(shard) for shard in weight_map.values()})
    unsafe = [shard for shard in shards if not shard.endswith(".safetensors")]
    if unsafe:
        raise RefusedError(
            f"{index} names weights that are no safetensors ({unsafe[0]})", hint="take another repository of the model"
        )
    return [folder + shard for shard in shards]


def needs_weights(names: Collection[str], folder: str) -> bool:
    """Whether a pipeline's component is a model: only models have a config.json (schedulers and tokenizers do not)."""
    return f"{folder}config.json" in names


def missing_weights(names: Collection[str], folders: Iterable[str], variant: str) -> ModelError | RefusedError:
    """The error for a checkpoint without the weights asked for."""
    models = [folder for folder in folders if not folder or needs_weights(names, folder)]
    unsafe = [name for name in names if name.endswith(UNSAFE_SUFFIXES) and name.startswith(tuple(models))]
    safe = [name for name in names if name.endswith(".safetensors") and name.startswith(tuple(models))]
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
    where = f": none in {', '.join(lacking)}" if lacking else ""
    return ModelError(f"its weights are not complete{where}", hint="download it again: genai models pull NAME")
