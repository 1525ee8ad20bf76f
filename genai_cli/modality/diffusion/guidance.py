"""Options that have no effect on a picture: a negative prompt without guidance, and guidance that a model ignores."""

import inspect
from typing import TYPE_CHECKING

from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

TRUE_GUIDANCE = "true_cfg_scale"  # of pipelines whose guidance_scale is an input of the model
NO_WORDS = " "
"""What such a pipeline compares with where there is no negative prompt: with none at all it does not guide."""


def compares(pipeline: "DiffusionPipeline") -> bool:
    """Whether guidance means that the pipeline compares with a negative prompt, though guidance_scale is another thing.

    That is so for Qwen-Image and its kin. Flux compares only when it is asked to, and was trained for guidance_scale.
    """
    own = inspect.signature(pipeline.__call__).parameters.get(TRUE_GUIDANCE)
    return own is not None and (own.default or 0) > 1 and not takes_guidance(pipeline)


def takes_guidance(pipeline: "DiffusionPipeline") -> bool:
    """Whether the transformer of a pipeline has an input for the guidance; assumed where it does not say."""
    transformer = getattr(pipeline, "transformer", None)
    return transformer is None or transformer.config.get("guidance_embeds") is not False


def choose_comparison(pipeline: "DiffusionPipeline", guidance: float | None, items: int) -> JsonObject:
    """The arguments by which a pipeline that `compares` guides: its own scale where none is asked for."""
    own = inspect.signature(pipeline.__call__).parameters[TRUE_GUIDANCE].default
    return {TRUE_GUIDANCE: own if guidance is None else guidance, "negative_prompt": [NO_WORDS] * items}


def find_guidance(arguments: JsonObject) -> float | None:
    """The guidance that shapes a picture made with these arguments."""
    found = arguments.get("guidance_scale")
    guidance: float | None = arguments.get(TRUE_GUIDANCE) if found is None else found
    return guidance


def explain_unused_negative_prompt(pipeline: "DiffusionPipeline", arguments: JsonObject) -> str | None:
    """Why the last run of the pipeline with these arguments used no negative prompt, or None if it used one."""
    true_guidance = inspect.signature(pipeline.__call__).parameters.get(TRUE_GUIDANCE)
    guidance = find_guidance(arguments)
    if true_guidance is not None and TRUE_GUIDANCE not in arguments:
        return "this model uses none"
    # Most pipelines say whether they compare with the negative prompt. The others do so above 1.
    guided = getattr(pipeline, "do_classifier_free_guidance", guidance is None or guidance > 1)
    if guided:
        return None
    if guidance is not None and guidance <= 1:
        return f"guidance is {guidance:g}, and it works above 1"
    return "this model uses none"


def ignores_guidance(pipeline: "DiffusionPipeline") -> bool:
    """Whether the model has no input for the guidance that its pipeline takes, as the fast versions of Flux."""
    if TRUE_GUIDANCE not in inspect.signature(pipeline.__call__).parameters:
        return False
    return not takes_guidance(pipeline) and not compares(pipeline)
