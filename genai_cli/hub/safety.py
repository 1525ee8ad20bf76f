"""No code comes from a repository: a file or a setting that would bring some is refused before anything is loaded.

How the libraries let a checkpoint name code: `auto_map` (transformers and diffusers), `_class_name` and components in
model_index.json (diffusers), custom_generate/ (transformers), kernels as attention implementation (transformers).
"""

import re
from collections.abc import Callable, Collection, Iterator
from importlib.util import find_spec
from pathlib import Path

from genai_cli.errors import RefusedError
from genai_cli.types import JsonObject

LIBRARIES = ("diffusers", "transformers")
# The JSON files that the libraries read settings from: config.json, tokenizer_config.json, or config.4.0.0.json, which
# a checkpoint names for some versions of the library. Vocabularies and indices of weights name no code.
SETTINGS = re.compile(r"(.*/)?(\w[\w-]*)?(config(\.\d[\w.]*)?|model_index)\.json")
VERSIONS_SETTING = "configuration_files"
# diffusers' name for a pipeline inside the repository, and the name it makes up if a repository gives none.
PIPELINE_FILES = ("pipeline.py", "None.py")
GENERATE_FILE = "custom_generate/generate.py"
ADAPTER_FILE = "adapter_config.json"
ATTENTION = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")
KERNEL_SETTINGS = ("use_kernels", "kernel_config")
WEIGHTS_SETTING = "transformers_weights"
SAFE_WEIGHTS = (".safetensors", ".safetensors.index.json")


def refuse_code_files(names: Collection[str], folders: Collection[str]) -> None:
    """Refuse files that the libraries run, or follow to another model, when they load these folders.

    `folders` are those of the components in use, each with a trailing slash; [""] is a transformers model.
    Raises RefusedError.
    """
    for folder in folders:
        if folder + ADAPTER_FILE in names:
            raise refused(folder + ADAPTER_FILE, "makes it an adapter, which loads another model")
    code = {GENERATE_FILE}
    if "" not in folders:
        inside = {name for name in names if name.endswith(".py") and f"{name.rpartition('/')[0]}/" in folders}
        code = {*PIPELINE_FILES, *inside}
    for name in sorted(code & set(names)):
        raise refused(name, "is code from the repository")


def refuse_code_settings(names: Collection[str], read_json: Callable[[str], JsonObject]) -> None:
    """Raise RefusedError if one of a checkpoint's settings files names code, a kernel or pickled weights."""
    for name in sorted(names):
        if SETTINGS.fullmatch(name):
            settings = read_json(name)
            if name == "model_index.json":
                refuse_code_components(settings)
            for key, value in walk_settings(settings):
                refuse_setting(name, key, value)


def refuse_setting(file: str, key: str, value: object) -> None:
    """Raise RefusedError for one setting that brings code."""
    if key == "auto_map" and value:
        named = value if isinstance(value, dict) else {}
        first = next((str(part) for part in named.values()), "code")
        raise refused(file, f"names code from the repository (auto_map: {first})")
    if key in ATTENTION and any("/" in str(part) for part in (value.values() if isinstance(value, dict) else [value])):
        raise refused(file, f"asks for a kernel from the hub ({key}: {value})")
    if key in KERNEL_SETTINGS and value:
        raise refused(file, f"asks for kernels from the hub ({key})")
    if key == VERSIONS_SETTING and isinstance(value, list):
        for name in value:
            if not isinstance(name, str) or "/" in name or not SETTINGS.fullmatch(name):
                raise refused(file, f"takes its settings from a file of another name ({key}: {name})")
    if key == WEIGHTS_SETTING and value and not str(value).endswith(SAFE_WEIGHTS):
        raise refused(file, f"names weights that are not safetensors ({key}: {value})")


def refuse_code_components(index: JsonObject) -> None:
    """Raise RefusedError if a pipeline's class or one of its components does not come from the libraries."""
    pipeline = index.get("_class_name")
    if isinstance(pipeline, list) and pipeline:
        raise refused("model_index.json", f"names a pipeline from the repository ({pipeline[0]}.py)")
    for name, value in index.items():
        if isinstance(value, list) and len(value) >= 2 and isinstance(value[0], str) and not is_in_library(value[0]):
            raise refused(
                "model_index.json", f"takes its {name} from {value[0]}, which is neither {' nor '.join(LIBRARIES)}"
            )


def is_in_library(module: str) -> bool:
    """Whether a component's module is one of the libraries, or one of diffusers' own pipelines (stable_diffusion)."""
    if module in LIBRARIES:
        return True
    spec = find_spec("diffusers")  # finds where it is installed, and imports nothing
    places = spec.submodule_search_locations if spec else None
    return module.isidentifier() and any(Path(place, "pipelines", module).is_dir() for place in places or ())


def walk_settings(value: object) -> Iterator[tuple[str, object]]:
    """Every key and value inside a JSON value, at any depth."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            yield from current.items()
            waiting += current.values()
        elif isinstance(current, list):
            waiting += current


def refused(file: str, why: str) -> RefusedError:
    """The error for a file that would bring code."""
    return RefusedError(
        f"{file} {why}; genai runs no code from models",
        hint="take another repository of the same model, one that needs no code of its own",
    )
