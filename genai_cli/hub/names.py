"""What a user may call a model. Nothing here asks the hub."""

import os
import re
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from genai_cli.errors import InputError, ModelError, nearest
from genai_cli.hub.address import is_address, parse_address
from genai_cli.hub.catalog import Catalog
from genai_cli.hub.reference import BUILT_IN, INDEXES, ModelReference
from genai_cli.hub.single_file import SHA256, parse_single_file

# Gone from the hub. The same weights are under the new name.
RENAMED = {"runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5"}

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
WEIGHT_SUFFIXES = (".safetensors", ".ckpt", ".gguf")
REVISION = re.compile(r"[\w][\w./-]*")


def parse_name(name: str, task: str | None, catalog: Catalog) -> ModelReference:
    """The model that a user means by an alias, owner/name, owner/name@revision, a folder, a file, a server's address.

    The task decides which built-in model is meant; it is None where a command has no task.
    Raises ModelError for an unknown name, with the nearest aliases, and InputError for a malformed revision or address.
    """
    if is_address(name):
        return parse_address(name)
    if name == BUILT_IN:
        if task is None:
            raise ModelError(
                f"{BUILT_IN} is built in: one model for each of {', '.join(catalog.built_in_tasks())}",
                hint="here a model is an alias, owner/name from the hub, or a folder",
            )
        return catalog.built_in(task)
    asked, at, revision = name.partition("@")
    file = Path(asked).expanduser()
    if at and S_ISREG(read_mode(file)) and not os.path.lexists(name):
        if not SHA256.fullmatch(revision):
            raise InputError(f"{revision!r} is not a revision of a file", hint="a file's revision is its sha256")
        return parse_single_file(asked, file, revision)
    if at and SHA256.fullmatch(revision):
        return parse_folder(asked)  # which raises: the file is not there, and its name is not asked of the hub
    aliases = {} if "/" in asked else catalog.aliases  # which reads all kinds, and none has a slash
    # The alias of a task's own model means the same everywhere, even in a folder that holds a folder of that name.
    is_alias = asked in aliases and (asked in catalog.own or not holds_model(Path(name)))
    if not is_alias and is_path(name):
        return parse_folder(name)
    repository = RENAMED.get(asked, aliases.get(asked, asked))
    if not HUB_NAME.fullmatch(repository) or ".." in repository:
        known = ", ".join([BUILT_IN, *sorted(catalog.own)])
        hint = nearest(name, [BUILT_IN, *aliases]) or f"{known}, another of genai models list, owner/name, or a folder"
        raise ModelError(f"unknown model {name!r}", hint=hint)
    if at and (not REVISION.fullmatch(revision) or ".." in revision):
        raise InputError(f"{revision!r} is not a revision", hint="a branch, a tag or a commit: owner/name@main")
    return ModelReference(repository, revision or None)


def is_path(name: str) -> bool:
    """Whether a name is that of a path: it exists, is written as one, or ends as a file of weights does.

    What is on this machine is never asked of the hub, which would learn its name.
    """
    written = name.startswith((".", "/", "~")) or name.endswith(os.sep) or name.lower().endswith(WEIGHT_SUFFIXES)
    return written or os.path.lexists(name)  # a link that leads nowhere is a path too


def holds_model(path: Path) -> bool:
    """Whether a path is a folder with a model in it."""
    return any(S_ISREG(read_mode(path / index)) for index in INDEXES)


def read_mode(path: Path) -> int:
    """What kind of file a path is; 0 if there is none, or if no file can have such a name."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def parse_folder(name: str) -> ModelReference:
    """A folder, or a checkpoint in one file, that the user names. Raises ModelError if it does not exist.

    Raises as `parse_single_file` does for a file.
    """
    folder = Path(name).expanduser()
    mode = read_mode(folder)
    if not mode:
        what = "file" if name.lower().endswith(WEIGHT_SUFFIXES) else "folder"
        raise ModelError(
            f"there is no {what} {name!r}", hint="a model is an alias, owner/name from the hub, a folder, or a file"
        )
    if S_ISREG(mode):
        return parse_single_file(name, folder, None)
    if not S_ISDIR(mode):
        raise ModelError(
            f"{name!r} is not a model",
            hint="a model is a folder with model_index.json (diffusers) or config.json (transformers) in it, or a file",
        )
    return ModelReference(name, folder=folder)
