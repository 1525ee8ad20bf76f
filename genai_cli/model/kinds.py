"""What kind of model a checkpoint is, told from its configuration alone."""

import re
from collections.abc import Collection
from typing import Any

from genai_cli.errors import InputError
from genai_cli.model.collector import collector_off

# transformers names its classes strictly: the suffix tells the task.
TASK_OF_SUFFIX = {
    "LMHeadModel": "text",
    "ForCausalLM": "text",
    "ForSequenceClassification": "classify",
    # No suffix tells these; named here, they need no answer from transformers, whose import takes seconds.
    "MusicgenForConditionalGeneration": "audio",
    "BarkModel": "audio",
    "VitsModel": "audio",
}
OTHER_KINDS = {
    "ForMaskedLM": "a masked language model",
    "ForTokenClassification": "a token classifier",
    "ForQuestionAnswering": "a question answering model",
    "ForImageClassification": "an image classifier",
    "ForSpeechSeq2Seq": "a speech recogniser",
    "ForCTC": "a speech recogniser",
    "ForAudioClassification": "an audio classifier",
    "ForSemanticSegmentation": "an image segmenter",
    "ForObjectDetection": "an object detector",
    "SpeechT5ForTextToSpeech": "a spectrogram model that needs a vocoder beside it",
}
KIND_OF_TASK = {
    "image": "a text-to-image model",
    "text": "a text model",
    "classify": "a text classifier",
    "audio": "a text-to-audio model",
}


def architecture_of(index: dict[str, Any]) -> str:
    """The class that a model_index.json or config.json names, or "" where it names none."""
    pipeline = index.get("_class_name")
    if pipeline:
        return str(pipeline[-1] if isinstance(pipeline, list) else pipeline)
    architectures = index.get("architectures")
    return str(architectures[0]) if isinstance(architectures, list) and architectures else ""


def check_kind(index: dict[str, Any], task: str | None, name: str) -> None:
    """Raise InputError where the checkpoint is of another kind than the task needs, naming what it is.

    A pipeline's class is judged when diffusers is at hand; a configuration that names no class, by the library.
    """
    architecture = architecture_of(index)
    if task is None or not architecture:
        return
    if "_class_name" in index:
        if task != "image":
            raise wrong_kind(name, "a diffusers pipeline", architecture, task)
        return
    told_by_name = next((of for suffix, of in TASK_OF_SUFFIX.items() if architecture.endswith(suffix)), None)
    if told_by_name == task:
        return
    kind = KIND_OF_TASK.get(told_by_name or "") or kind_by_suffix(architecture)
    if kind is None and architecture in architectures_of(task):
        return
    raise wrong_kind(name, kind or "a model of another kind", architecture, task)


def kind_by_suffix(architecture: str) -> str | None:
    """The kind of a model that no task here takes, where its class's name tells."""
    return next((what for suffix, what in OTHER_KINDS.items() if architecture.endswith(suffix)), None)


def architectures_of(task: str) -> Collection[str]:
    """The classes that transformers itself counts to a task, for names that do not tell (Gemma 3, MusicGen, VITS)."""
    if task == "image":
        return ()
    with collector_off():
        from transformers.models.auto import modeling_auto

    mapping = {"text": "CAUSAL_LM", "classify": "SEQUENCE_CLASSIFICATION", "audio": "TEXT_TO_WAVEFORM"}[task]
    names = getattr(modeling_auto, f"MODEL_FOR_{mapping}_MAPPING_NAMES").values()
    return {name for value in names for name in (value if isinstance(value, tuple) else (value,))}


def wrong_kind(name: str, kind: str, architecture: str, task: str) -> InputError:
    """The error for a model that cannot do the task."""
    what = f"{kind} ({architecture})" if re.fullmatch(r"\w+", architecture) else kind
    task_of_kind = next((of for of, words in KIND_OF_TASK.items() if words == kind), None)
    hint = f"genai {task_of_kind} takes it" if task_of_kind else f"genai models list shows what is at hand for {task}"
    return InputError(f"{name} is {what}, not {KIND_OF_TASK[task]}", hint=hint)
