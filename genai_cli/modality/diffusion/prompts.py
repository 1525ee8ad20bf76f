"""What of a prompt a model does not read: the part past its length, and words that it does not know."""

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.events import Emit, Notice
from genai_cli.modality.checkpoint import read_optional_json

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
    from transformers import PreTrainedTokenizerBase

KNOWLEDGE = "knowledge.json"
"""A file of a checkpoint of few words: `draws` says what it draws, `subjects` are its nouns, `words` all others."""


def report_cut_prompts(pipeline: "DiffusionPipeline", prompt: str, negative_prompt: str, emit: Emit) -> None:
    """Say what part of a prompt lies past the length of the longest-reading text encoder."""
    for label, text in (("prompt", prompt), ("negative prompt", negative_prompt)):
        readings = [find_cut(tokenizer, text, pipeline) for tokenizer in list_tokenizers(pipeline)]
        if readings and all(readings):
            length, limit, cut = min((reading for reading in readings if reading), key=lambda reading: len(reading[2]))
            emit(Notice(f"the {label} has {length} tokens and the model reads {limit}; cut off: {cut!r}"))


def report_unknown_words(pipeline: "DiffusionPipeline", prompt: str, negative_prompt: str, emit: Emit) -> None:
    """Say which words the tokenizers of all text encoders turn into their sign for the unknown."""
    for label, text in (("prompt", prompt), ("negative prompt", negative_prompt)):
        unknown = [set(list_unknown_words(tokenizer, text)) for tokenizer in list_tokenizers(pipeline)]
        everywhere = set.intersection(*unknown) if unknown else set()
        words = [word for word in dict.fromkeys(text.split()) if word in everywhere]
        if words:
            emit(Notice(f"the model cannot read these words of the {label}: {quote(words)}", once=True))


def report_unknown_subject(folder: Path, prompt: str, advice: str, emit: Emit) -> None:
    """Say what a model of few words draws, and `advice`, if the prompt names nothing that it can draw."""
    knowledge = read_optional_json(folder / KNOWLEDGE)
    if not knowledge.keys() >= {"draws", "subjects", "words"}:
        return
    words = dict.fromkeys(re.findall(r"\w+", prompt.lower()))
    if words.keys() & set(knowledge["subjects"]):
        return
    unknown = [word for word in words if word not in knowledge["words"]]
    what = f"it does not know {quote(unknown)}" if unknown else "the prompt names none of them"
    emit(Notice(f"this model draws {knowledge['draws']}; {what}. {advice}", once=True))


def quote(words: list[str]) -> str:
    """Words as a list in a sentence."""
    return ", ".join(map(repr, words))


def list_tokenizers(pipeline: "DiffusionPipeline") -> "list[PreTrainedTokenizerBase]":
    """The tokenizers of a pipeline's text encoders."""
    return [part for name, part in pipeline.components.items() if name.startswith("tokenizer") and part is not None]


def list_unknown_words(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[str]:
    """The words of a text, split at spaces, of which the tokenizer knows some part as unknown only."""
    unknown = tokenizer.unk_token_id
    if unknown is None or unknown in (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id):
        return []  # CLIP's stands for the end too; its tokens are bytes, and none is unknown
    words = list(dict.fromkeys(text.split()))
    return [word for word in words if unknown in tokenizer(word, add_special_tokens=False).input_ids]


def find_cut(
    tokenizer: "PreTrainedTokenizerBase", prompt: str, pipeline: "DiffusionPipeline"
) -> tuple[int, int, str] | None:
    """Token count, limit (special tokens included) and the text past the limit, or None where all is read."""
    limit = tokenizer.model_max_length
    if not type(tokenizer).__name__.startswith("CLIP"):
        sequence = inspect.signature(pipeline.__call__).parameters.get("max_sequence_length")
        limit = min(limit, sequence.default) if sequence and sequence.default else limit
    tokens = tokenizer(prompt, add_special_tokens=False).input_ids
    special = tokenizer.num_special_tokens_to_add()
    if len(tokens) + special <= limit:
        return None
    return len(tokens) + special, limit, tokenizer.decode(tokens[limit - special :]).strip()
