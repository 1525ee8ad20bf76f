"""What kind of model a checkpoint is, read from its configuration alone."""

import re
from collections.abc import Collection

from genai_cli.collector import collector_off
from genai_cli.errors import InputError
from genai_cli.hub.catalog import Catalog, ModelKind
from genai_cli.types import JsonObject

# Kinds that no task takes, by the ends of their class names. The kinds of the catalog are looked at first.
OTHER_KINDS = {
    "ForMaskedLM": "a masked language model",
    "ForTokenClassification": "a token classifier",
    "ForQuestionAnswering": "a question answering model",
    "ForSpeechSeq2Seq": "a speech recogniser",
    "ForCTC": "a speech recogniser",
    "ForAudioClassification": "an audio classifier",
    "ForSemanticSegmentation": "an image segmenter",
}
PIPELINES = "diffusers"  # the library whose checkpoints name a pipeline (`_class_name`), not architectures


def read_architecture(index: JsonObject) -> str:
    """The class that a model_index.json or config.json names, or "" if it names none."""
    pipeline = index.get("_class_name")
    if pipeline:
        return str(pipeline[-1] if isinstance(pipeline, list) else pipeline)
    architectures = index.get("architectures")
    return str(architectures[0]) if isinstance(architectures, list) and architectures else ""


def check_kind(index: JsonObject, kind: ModelKind | None, catalog: Catalog, name: str) -> None:
    """Check that a checkpoint is of the kind that is needed; None takes every kind.

    The class of a pipeline is checked later, when diffusers is imported. If a configuration names no class, the library
    decides. Raises InputError for a checkpoint of another kind, and says which kind it is.
    """
    architecture = read_architecture(index)
    if kind is None or not architecture:
        return
    if "_class_name" in index:
        if kind.library != PIPELINES:
            raise wrong_kind(name, "a diffusers pipeline", architecture, kind, catalog)
        return
    if architecture.endswith((*kind.class_suffixes, *kind.also)):
        return
    other = catalog.find_by_class(architecture)
    words = other.words if other else describe_other_kind(architecture)
    if words is None and architecture in list_architectures(kind):
        return
    raise wrong_kind(name, words or "a model of another kind", architecture, kind, catalog)


def describe_other_kind(architecture: str) -> str | None:
    """The kind of a model that no task takes, in words, or None if the name of its class does not tell."""
    return next((words for suffix, words in OTHER_KINDS.items() if architecture.endswith(suffix)), None)


def list_architectures(kind: ModelKind) -> Collection[str]:
    """The classes that transformers counts to a kind, for names that do not tell (Gemma 3, MusicGen, VITS).

    Importing them takes seconds, so a kind names its common classes in `class_suffixes`.
    """
    if kind.mapping is None:
        return ()
    with collector_off():
        from transformers.models.auto import modeling_auto

    found: set[str] = set()
    for part in kind.mapping.split():
        for value in getattr(modeling_auto, f"MODEL_FOR_{part}_MAPPING_NAMES").values():
            found.update(value if isinstance(value, tuple) else (value,))
    return found


def wrong_kind(name: str, words: str, architecture: str, kind: ModelKind | None, catalog: Catalog) -> InputError:
    """The error for a model that is not of a kind; `words` say what it is."""
    found = f"{words} ({architecture})" if re.fullmatch(r"\w+", architecture) else words
    taker = catalog.find_by_words(words)
    hint = f"genai {taker.task} takes it" if taker else "genai models list shows the models on this machine"
    wanted = f", not {kind.words}" if kind else ""
    return InputError(f"{name} is {found}{wanted}", hint=hint)
