"""What kinds of models there are. The rooms above write the kinds; this room only receives them.

A kind says what a task takes: which library loads its models, which classes they have, and which models genai knows by
a short name. The room `hub` does not know any task, so a new task changes nothing here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from genai_cli.errors import ModelError
from genai_cli.hub.reference import BUILT_IN, ModelReference

MEGABYTE = 10**6
BESIDE_WEIGHTS = 450 * MEGABYTE  # of Python and its libraries; docs/models.md compares estimates and measured figures


@dataclass(frozen=True)
class KnownModel:
    """A model of the hub with a short name, and what its page there says of it."""

    alias: str
    repository: str
    words: str
    """What it is good for."""
    parameters: int
    """The parameters that a run loads, in millions."""
    download: int
    """The files that a run fetches, in MB."""
    license: str
    memory: int | None = None
    """The memory of a whole run on a CPU in MB, where it was measured."""
    options: str = ""
    """The options that it works best with."""

    def find_memory(self, device: str, bytes_each: int) -> tuple[int, bool]:
        """The bytes of memory of a run with so many bytes for each parameter, and whether they were measured."""
        if self.memory is not None and device == "cpu" and bytes_each == 4:
            return self.memory * MEGABYTE, True
        return self.parameters * MEGABYTE * bytes_each + BESIDE_WEIGHTS, False


@dataclass(frozen=True)
class ModelKind:
    """What models a task takes, and which of them have a short name."""

    task: str
    words: str
    """The kind in words, with an article: "a text-to-image model"."""
    library: str
    """The library that loads it: "diffusers" or "transformers"."""
    class_suffixes: tuple[str, ...] = ()
    """Ends of class names that tell the task: "ForCausalLM". A whole class name is allowed too."""
    mapping: str | None = None
    """For class names that do not tell: the part CAUSAL_LM of transformers' MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.

    Several parts have spaces between them.
    """
    known: tuple[KnownModel, ...] = ()
    """The models that have a short name: "gpt2" is "openai-community/gpt2". The first is the task's own."""
    built_in: Path | None = None
    """The folder of the model inside the package."""
    also: tuple[str, ...] = ()
    """Ends of class names that it takes too, and that by themselves are of another kind or of none."""
    marker: str | None = None
    """The file that makes a checkpoint one of the kind, whatever its class is called."""


@dataclass(frozen=True)
class Catalog:
    """The kinds of all tasks, each loaded when it is asked for: a command of one task does not wait for the others."""

    tasks: tuple[str, ...]
    load: Callable[[str], ModelKind]

    @classmethod
    def hold(cls, *kinds: ModelKind) -> Self:
        """A catalog of kinds at hand."""
        by_task = {kind.task: kind for kind in kinds}
        return cls(tuple(by_task), by_task.__getitem__)

    @property
    def kinds(self) -> tuple[ModelKind, ...]:
        """The kinds of all tasks."""
        return tuple(map(self.load, self.tasks))

    @property
    def aliases(self) -> dict[str, str]:
        """The short names of all kinds, and the repositories they stand for."""
        return {known.alias: known.repository for kind in self.kinds for known in kind.known}

    @property
    def own(self) -> set[str]:
        """The short names of the tasks' own models."""
        return {kind.known[0].alias for kind in self.kinds if kind.known}

    def find_known(self, name: str) -> tuple[ModelKind, KnownModel] | None:
        """A model by its short name or its repository, with its kind; None if genai does not know it."""
        pairs = ((kind, known) for kind in self.kinds for known in kind.known)
        return next((pair for pair in pairs if name in (pair[1].alias, pair[1].repository)), None)

    def kind(self, task: str) -> ModelKind:
        """The kind of a task. Raises KeyError for a task that the catalog does not have."""
        if task not in self.tasks:
            raise KeyError(task)
        return self.load(task)

    def find_by_class(self, architecture: str) -> ModelKind | None:
        """The first kind that a class belongs to by its name, or None if the name does not tell."""
        return next((kind for kind in self.kinds if architecture.endswith(kind.class_suffixes)), None)

    def find_by_words(self, words: str) -> ModelKind | None:
        """The kind that is described by these words, or None."""
        return next((kind for kind in self.kinds if kind.words == words), None)

    def built_in_tasks(self) -> list[str]:
        """The tasks that have a built-in model, sorted."""
        return sorted(task for task in self.tasks if self.find_built_in(task) is not None)

    def built_in(self, task: str) -> ModelReference:
        """The small model of a task inside the package. Raises ModelError if the task has none."""
        folder = self.find_built_in(task)
        if folder is None:
            raise ModelError(
                f"there is no built-in model for {task}", hint="built in for: " + ", ".join(self.built_in_tasks())
            )
        return ModelReference(BUILT_IN, folder=folder)

    def find_built_in(self, task: str) -> Path | None:
        """The folder of the built-in model of a task; None if it has none."""
        folder = self.load(task).built_in if task in self.tasks else None
        return folder if folder is not None and folder.is_dir() else None
