"""How many tokens a model reads, as its configuration says it."""

from typing import TYPE_CHECKING

from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

NAME_LENGTH = ("yarn", "llama3", "longrope")


def find_context(config: "PreTrainedConfig") -> int | None:
    """The longest text in tokens, new ones included; None: no limit is stated."""
    stated = getattr(config, "max_position_embeddings", None)
    if not isinstance(stated, int) or stated < 1:
        return None
    ropes = list_ropes(config)
    kinds = NAME_LENGTH if len(ropes) > 1 else (*NAME_LENGTH, "linear", "dynamic")
    return max([stated, *(stretch(rope, stated) for rope in ropes if rope.get("rope_type") in kinds)])


def list_ropes(config: "PreTrainedConfig") -> list[JsonObject]:
    """The rotary embeddings of a model: one for all layers, or one for each type of layer."""
    stated: JsonObject = getattr(config, "rope_parameters", None) or {}
    if "rope_type" in stated:
        return [stated]
    return [rope for rope in stated.values() if isinstance(rope, dict)]


def stretch(rope: JsonObject, stated: int) -> int:
    """The context of stretched rotary embeddings, or 0 where `stated` says it already.

    YaRN names the length that it stretches, and files state it or the stretched one as the context. With llama3 and
    longrope they state the stretched one, which is longer. Linear and dynamic scaling stretch what is stated, but
    a model with layers of several types, such as Gemma 3, states the stretched length.
    Sources: https://huggingface.co/Qwen/Qwen2.5-7B-Instruct, "Processing Long Texts".
    """
    factor = rope.get("factor")
    if not isinstance(factor, (int, float)):
        return 0
    original = int(rope.get("original_max_position_embeddings") or stated)
    if rope.get("rope_type") in ("llama3", "longrope") and stated > original:
        return 0
    return int(original * factor)
