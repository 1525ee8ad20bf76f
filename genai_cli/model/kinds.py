"""What kind of model a checkpoint is, told from its configuration alone."""

import re
from typing import Any

from genai_cli.errors import InputError

# transformers names its classes strictly: the suffix tells the task.
TASK_OF_SUFFIX = {
    "LMHeadModel": "text",
    "ForCausalLM": "text",
    "ForSequenceClassification": "classify",
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
    architectures = index.get("architectures") or [""]
    return str(architectures[0])


def check_kind(index: dict[str, Any], task: str | None, name: str) -> None:
    """Raise InputError where the checkpoint is plainly of another kind than the task needs, naming what it is.

    What its configuration leaves open is judged when the model's class is at hand.
    """
    if task is None:
        return
    architecture = architecture_of(index)
    kind = None
    if "_class_name" in index:
        if task != "image":
            kind = "a diffusers pipeline"
    else:
        is_task = next((of for suffix, of in TASK_OF_SUFFIX.items() if architecture.endswith(suffix)), None)
        if is_task and is_task != task:
            kind = KIND_OF_TASK[is_task]
        elif is_task is None:
            kind = next((what for suffix, what in OTHER_KINDS.items() if architecture.endswith(suffix)), None)
            if task == "image" and kind is None:
                kind = "a transformers model"
            elif task in ("text", "classify") and kind is None:
                kind = "a model of another kind"
    if kind:
        raise wrong_kind(name, kind, architecture, task)


def wrong_kind(name: str, kind: str, architecture: str, task: str) -> InputError:
    """The error for a model that cannot do the task."""
    what = f"{kind} ({architecture})" if re.fullmatch(r"\w+", architecture) else kind
    task_of_kind = next((of for of, words in KIND_OF_TASK.items() if words == kind), None)
    hint = f"genai {task_of_kind} takes it" if task_of_kind else f"genai models list shows what is at hand for {task}"
    return InputError(f"{name} is {what}, not {KIND_OF_TASK[task]}", hint=hint)
