"""The ways in which a pipeline of diffusers edits a picture, told from its class."""

import inspect
from enum import Enum
from typing import TYPE_CHECKING

from genai_cli.modality.diffusion.pipelines import makes_pictures

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

# What a pipeline takes that needs more than a picture and words: a map for a control net, a second picture, a video.
OTHERS = {"control_image", "controlnet_conditioning_scale", "num_frames", "noise_level", "example_image", "layers"}
EDITS_PICTURES = "a model that edits pictures"
INSTRUCTED = ("Pix2Pix", "Kontext", "Edit", "Flux2")
"""In the names of the classes that follow instructions; others that take a picture mean something else by it."""


class Way(Enum):
    """How a picture is edited."""

    NOISE = "noise"
    """Noise is added to the picture, and taken away again with the prompt: image to image."""
    FILL = "fill"
    """The model was trained to fill the masked part."""
    INSTRUCTION = "instruction"
    """The model was trained to do what the prompt says."""


def find_way(pipeline_class: "type[DiffusionPipeline]") -> Way | None:
    """The way of a pipeline's class; None if it edits no pictures."""
    parameters = inspect.signature(pipeline_class.__call__).parameters
    if "prompt" not in parameters or OTHERS & set(parameters):
        return None
    if makes_pictures(pipeline_class):
        return Way.NOISE if has_noise_pipeline(pipeline_class) else None
    if "image" not in parameters:
        return None
    if "mask_image" in parameters:
        return Way.FILL
    if "strength" in parameters:
        return Way.NOISE
    return Way.INSTRUCTION if any(word in pipeline_class.__name__ for word in INSTRUCTED) else None


def find_family(pipeline_class: "type[DiffusionPipeline]") -> str | None:
    """The name under which diffusers keeps together the pipelines of one kind of model, or None."""
    from diffusers.pipelines import auto_pipeline as auto

    mappings = (
        auto.AUTO_TEXT2IMAGE_PIPELINES_MAPPING,
        auto.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
        auto.AUTO_INPAINT_PIPELINES_MAPPING,
    )
    return next(
        (family for mapping in mappings for family, found in mapping.items() if found is pipeline_class),
        None,
    )


def has_noise_pipeline(pipeline_class: "type[DiffusionPipeline]") -> bool:
    """Whether an image-to-image pipeline belongs to a text-to-image one."""
    from diffusers.pipelines.auto_pipeline import AUTO_IMAGE2IMAGE_PIPELINES_MAPPING

    return find_family(pipeline_class) in AUTO_IMAGE2IMAGE_PIPELINES_MAPPING


def find_controlled_pipeline(
    pipeline_class: "type[DiffusionPipeline]", *, from_picture: bool, union: bool = False
) -> "type[DiffusionPipeline] | None":
    """The pipeline that ControlNets guide, of the kind of one that makes pictures from text alone; None without one."""
    from diffusers.pipelines import auto_pipeline as auto

    mapping = auto.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING if from_picture else auto.AUTO_TEXT2IMAGE_PIPELINES_MAPPING
    name = f"{find_family(pipeline_class)}-controlnet{'-union' * union}"
    return mapping.get(name) if makes_pictures(pipeline_class) else None


def has_fill_pipeline(pipeline_class: "type[DiffusionPipeline]") -> bool:
    """Whether a pipeline that changes a masked part belongs to one; it knows how the model packs its latents."""
    from diffusers.pipelines.auto_pipeline import AUTO_INPAINT_PIPELINES_MAPPING

    return find_family(pipeline_class) in AUTO_INPAINT_PIPELINES_MAPPING
