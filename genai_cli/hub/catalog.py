"""What kinds of models there are. The rooms above write the kinds; this room only receives them.

A kind says what a task takes: which library loads its models, which classes they have, and which names are short for
one of them. The room `hub` knows no task, so a new task changes nothing here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from genai_cli.errors import ModelError
from genai_cli.hub.reference import BUILT_IN, ModelReference


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
    """For class names that do not tell: the part CAUSAL_LM of transformers' MODEL_FOR_CAUSAL_LM_MAPPING_NAMES."""
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Short names and the repositories they stand for: "gpt2" is "openai-community/gpt2"."""
    built_in: Path | None = None
    """The folder of the model inside the package."""


@dataclass(frozen=True)
class Catalog:
    """The kinds of all tasks."""

    kinds: tuple[ModelKind, ...] = ()

    @property
    def aliases(self) -> dict[str, str]:
        """The short names of all kinds, and the repositories they stand for."""
        return {alias: repository for kind in self.kinds for alias, repository in kind.aliases.items()}

    def kind(self, task: str) -> ModelKind:
        """The kind of a task. Raises KeyError for a task that the catalog does not have."""
        for kind in self.kinds:
            if kind.task == task:
                return kind
        raise KeyError(task)

    def find_by_class(self, architecture: str) -> ModelKind | None:
        """The first kind that a class belongs to by its name, or None if the name does not tell."""
        return next((kind for kind in self.kinds if architecture.endswith(kind.class_suffixes)), None)

    def find_by_words(self, words: str) -> ModelKind | None:
        """The kind that is described by these words, or None."""
        return next((kind for kind in self.kinds if kind.words == words), None)

    def built_in_tasks(self) -> list[str]:
        """The tasks that have a built-in model, sorted."""
        return sorted(self._built_in_folders())

    def built_in(self, task: str) -> ModelReference:
        """The small model of a task inside the package. Raises ModelError if the task has none."""
        folder = self._built_in_folders().get(task)
        if folder is None:
            raise ModelError(
                f"there is no built-in model for {task}", hint="built in for: " + ", ".join(self.built_in_tasks())
            )
        return ModelReference(BUILT_IN, folder=folder)

    def _built_in_folders(self) -> dict[str, Path]:
        """The folder of the built-in model of each task that has one."""
        return {kind.task: kind.built_in for kind in self.kinds if kind.built_in is not None and kind.built_in.is_dir()}
