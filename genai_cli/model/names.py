"""What a user may call a model, without asking the hub."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from genai_cli.errors import InputError, ModelError, nearest

ALIASES = {
    "sd15": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "gpt2": "openai-community/gpt2",
    "sst2": "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
    "musicgen": "facebook/musicgen-small",
}
# Gone from the hub; the same weights live on under the new name.
RENAMED = {"runwayml/stable-diffusion-v1-5": ALIASES["sd15"]}

BUILT_IN = "tiny"
BUILT_IN_FOLDER = Path(__file__).parent / "tiny"

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
REVISION = re.compile(r"[\w][\w./-]*")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class ModelReference:
    """A model by name: a folder on this machine, or a repository at a revision (branch, tag or commit).

    In a resolved reference `revision` is the commit, and `branch` the name that stood for it.
    """

    id: str
    revision: str | None = None
    folder: Path | None = None
    branch: str | None = None

    @property
    def pinned(self) -> bool:
        """Whether the name alone fixes the files: a folder, or a full commit hash."""
        return self.folder is not None or bool(self.revision and COMMIT.fullmatch(self.revision))

    def __str__(self) -> str:
        return f"{self.id}@{self.revision}" if self.revision else self.id


def parse_name(name: str, task: str) -> ModelReference:
    """The model that a user means by an alias, owner/name, owner/name@revision, or a folder.

    Raises ModelError for a name that can be none of these, naming the nearest aliases.
    """
    asked, at, revision = name.partition("@")
    if name == BUILT_IN:
        return built_in(task)
    # An alias means the same in every folder, also in one that holds a folder of that name.
    if asked not in ALIASES and (name.startswith((".", "/", "~")) or name.endswith(os.sep) or Path(name).is_dir()):
        return local_folder(name)
    repository = RENAMED.get(asked, ALIASES.get(asked, asked))
    if not HUB_NAME.fullmatch(repository) or ".." in repository:
        known = [BUILT_IN, *ALIASES]
        hint = nearest(name, known) or f"known: {', '.join(known)}; or owner/name from the hub, or a folder"
        raise ModelError(f"unknown model {name!r}", hint=hint)
    if at and (not REVISION.fullmatch(revision) or ".." in revision):
        raise InputError(f"{revision!r} is no revision", hint="a branch, a tag or a commit: owner/name@main")
    return ModelReference(repository, revision or None)


def built_in(task: str) -> ModelReference:
    """The small model of a task that ships with the package. Raises ModelError where there is none."""
    folder = BUILT_IN_FOLDER / task
    if not folder.is_dir():
        raise ModelError(f"there is no built-in model for {task}", hint="built in for: " + ", ".join(built_in_tasks()))
    return ModelReference(BUILT_IN, folder=folder)


def built_in_tasks() -> list[str]:
    """The tasks that have a built-in model."""
    return sorted(path.name for path in BUILT_IN_FOLDER.iterdir() if path.is_dir() and not path.name.startswith("_"))


def local_folder(name: str) -> ModelReference:
    """A folder that the user names. Raises ModelError where it is not there or is a file."""
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
