"""What a user may call a model. Nothing here asks the hub."""

import os
import re
from pathlib import Path

from genai_cli.errors import InputError, ModelError, nearest
from genai_cli.hub.catalog import Catalog
from genai_cli.hub.reference import BUILT_IN, ModelReference

__all__ = ["BUILT_IN", "RENAMED", "ModelReference", "parse_name"]

# Gone from the hub. The same weights are under the new name.
RENAMED = {"runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5"}

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
REVISION = re.compile(r"[\w][\w./-]*")


def parse_name(name: str, task: str | None, catalog: Catalog) -> ModelReference:
    """The model that a user means by an alias, owner/name, owner/name@revision, or a folder.

    The task decides which built-in model is meant; it is None where a command has no task.
    Raises ModelError for an unknown name, with the nearest aliases, and InputError for a malformed revision.
    """
    if name == BUILT_IN:
        if task is None:
            raise ModelError(
                f"{BUILT_IN} is built in: one model for each of {', '.join(catalog.built_in_tasks())}",
                hint="here a model is an alias, owner/name from the hub, or a folder",
            )
        return catalog.built_in(task)
    asked, at, revision = name.partition("@")
    aliases = catalog.aliases
    # An alias means the same everywhere, even in a folder that holds a folder of that name.
    if asked not in aliases and (name.startswith((".", "/", "~")) or name.endswith(os.sep) or Path(name).is_dir()):
        return parse_folder(name)
    repository = RENAMED.get(asked, aliases.get(asked, asked))
    if not HUB_NAME.fullmatch(repository) or ".." in repository:
        known = [BUILT_IN, *aliases]
        hint = nearest(name, known) or f"known: {', '.join(known)}; or owner/name from the hub, or a folder"
        raise ModelError(f"unknown model {name!r}", hint=hint)
    if at and (not REVISION.fullmatch(revision) or ".." in revision):
        raise InputError(f"{revision!r} is not a revision", hint="a branch, a tag or a commit: owner/name@main")
    return ModelReference(repository, revision or None)


def parse_folder(name: str) -> ModelReference:
    """A folder that the user names. Raises ModelError if it does not exist or is a file."""
    folder = Path(name).expanduser()
    if not folder.exists():
        raise ModelError(
            f"there is no folder {name!r}", hint="a model is an alias, owner/name from the hub, or a folder"
        )
    if not folder.is_dir():
        raise ModelError(
            f"{name!r} is a file, not a model folder",
            hint="a model is a folder with model_index.json (diffusers) or config.json (transformers) in it",
        )
    return ModelReference(name, folder=folder)
