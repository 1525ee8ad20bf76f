"""The libraries that a checkpoint needs are imported together, before it is loaded."""

import importlib
from contextlib import suppress
from functools import cache

from genai_cli.collector import collector_off, set_aside
from genai_cli.device.failures import first_line
from genai_cli.device.loading import quiet_libraries
from genai_cli.errors import DeviceError
from genai_cli.hub.fetching import ModelFiles
from genai_cli.hub.storage import read_json

LIBRARIES = ("diffusers", "transformers")


def import_libraries(files: ModelFiles) -> None:
    """Import torch and the modules of the classes that a checkpoint names. Loading it imports what else it needs.

    A class that its library does not have is skipped: the library says so when it loads the checkpoint. Raises
    DeviceError if torch itself is broken.
    """
    with collector_off():
        try:
            import torch  # noqa: F401
        except (ImportError, OSError) as error:
            raise DeviceError(
                f"torch cannot be imported: {first_line(error)}", hint="pip install --force-reinstall torch"
            ) from error
        quiet_libraries()  # after torch, which sets the level of its logger when it is imported
        for library, name in find_classes(files):
            with suppress(ImportError, RuntimeError):
                getattr(importlib.import_module(library), name, None)
        freeze_imported()


def find_classes(files: ModelFiles) -> list[tuple[str, str]]:
    """The classes that a checkpoint names, each with its library: the model's, or a pipeline's and its components'."""
    if not (files.folder / "model_index.json").is_file():
        return [("transformers", files.architecture)]
    index = read_json(files.folder, "model_index.json")
    parts = [value for name, value in index.items() if isinstance(value, list) and name not in files.unused]
    return [
        ("diffusers", files.architecture),
        *((part[0], part[1]) for part in parts if len(part) == 2 and part[0] in LIBRARIES and isinstance(part[1], str)),
    ]


@cache
def freeze_imported() -> None:
    """Have the collector skip all objects that exist now, at the end of the process too, which saves a second there.

    It is done once a process and before a model is loaded: a model must be freed when another one takes its place.
    """
    set_aside()
