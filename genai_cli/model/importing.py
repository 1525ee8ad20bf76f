"""The libraries that a checkpoint needs are imported in one go, before it is loaded."""

import gc
import importlib
from contextlib import suppress
from functools import cache
from typing import Any

from genai_cli.model.collector import collector_off
from genai_cli.model.hub import ModelFiles
from genai_cli.model.loading import quiet_libraries
from genai_cli.model.storage import read_json

LIBRARIES = ("diffusers", "transformers")


def import_libraries(files: ModelFiles) -> None:
    """Import torch and the modules of the classes that a checkpoint names; what else it needs comes as it is loaded.

    A class that is not there is passed over: the library says so when it loads the checkpoint.
    """
    with collector_off():
        import torch  # noqa: F401

        quiet_libraries()  # after torch, which sets the level of its notices when it is imported
        for library, name in named_classes(files):
            with suppress(ImportError, RuntimeError):
                getattr(importlib.import_module(library), name, None)
        leave_imported_alone()


def named_classes(files: ModelFiles) -> list[tuple[str, str]]:
    """The classes that a checkpoint names, each with its library: the model's, or a pipeline's and its components'."""
    if not (files.folder / "model_index.json").is_file():
        return [("transformers", files.architecture)]
    index: dict[str, Any] = read_json(files.folder, "model_index.json")
    parts = [value for name, value in index.items() if isinstance(value, list) and name not in files.unused]
    return [
        ("diffusers", files.architecture),
        *((part[0], part[1]) for part in parts if len(part) == 2 and part[0] in LIBRARIES and isinstance(part[1], str)),
    ]


@cache
def leave_imported_alone() -> None:
    """Have the collector never look at what there is now, also not when the process ends, which takes it a second.

    Once a process and before a model is loaded: a model must be given back when another one takes its place.
    """
    gc.freeze()
