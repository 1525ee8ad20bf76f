"""Options that have no effect on a picture: a negative prompt without guidance, and guidance that a model ignores."""

import inspect
from typing import TYPE_CHECKING

from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

TRUE_GUIDANCE = "true_cfg_scale"  # of pipelines whose guidance_scale is an input of the model


def explain_unused_negative_prompt(pipeline: "DiffusionPipeline", arguments: JsonObject) -> str | None:
    """Why the last run of the pipeline with these arguments used no negative prompt, or None if it used one."""
    true_guidance = inspect.signature(pipeline.__call__).parameters.get(TRUE_GUIDANCE)
    if true_guidance is not None:
        return None if (true_guidance.default or 0) > 1 else "this model uses none"
    guidance = arguments.get("guidance_scale")
    # Most pipelines say whether they compare with the negative prompt. The others do so above 1.
    guided = getattr(pipeline, "do_classifier_free_guidance", guidance is None or guidance > 1)
    if guided:
        return None
    if guidance is not None and guidance <= 1:
        return f"guidance is {guidance:g}, and it works above 1"
    return "this model uses none"


def ignores_guidance(pipeline: "DiffusionPipeline") -> bool:
    """Whether the model has no input for the guidance that its pipeline takes, as the fast versions of Flux."""
    transformer = getattr(pipeline, "transformer", None)
    if transformer is None or TRUE_GUIDANCE not in inspect.signature(pipeline.__call__).parameters:
        return False
    return transformer.config.get("guidance_embeds") is False
