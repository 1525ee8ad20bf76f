"""Which model is meant: a folder or file here, a repository on the hub at a revision, or a model of a server."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

BUILT_IN = "tiny"  # the name of the small models inside the package, one for each task that has one
INDEXES = ("model_index.json", "config.json")  # the files that say what a checkpoint is, the first that is there
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class ModelReference:
    """A model by name: a folder here, a repository at a revision (branch, tag or commit), or a model of a server.

    In a resolved reference `revision` is the commit, and `branch` is the name that stood for it.
    """

    id: str
    revision: str | None = None
    folder: Path | None = None
    branch: str | None = None
    server: str | None = None
    """The address of the server that runs the model, without the model's name."""
    served: str | None = None
    """What that server calls the model; None until it was asked."""
    file: Path | None = None
    """The file of a single-file checkpoint: its revision is its SHA-256, and its folder the package's layout for it."""

    @property
    def pinned(self) -> bool:
        """Whether the hub has nothing to say of it: a folder, a full commit hash, or a server's model."""
        return (
            self.folder is not None
            or self.server is not None
            or bool(self.revision and COMMIT.fullmatch(self.revision))
        )

    def resolve_folder(self) -> Self:
        """The reference with its folder as an absolute path, which holds wherever a process runs."""
        file = self.file.resolve() if self.file else None
        return replace(self, folder=self.folder.resolve(), file=file) if self.folder else self

    @property
    def identity(self) -> str:
        """What a job's key knows it by, beside the revision: a single file's place and name do not count."""
        return "" if self.file is not None else self.id

    def __str__(self) -> str:
        return f"{self.id}@{self.revision}" if self.revision and self.file is None else self.id
