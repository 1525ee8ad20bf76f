"""What a text-to-image pipeline of diffusers takes and states, told from its class and from the checkpoint's files."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.collector import collector_off
from genai_cli.device.loading import quiet_libraries
from genai_cli.events import Emit, Progress
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.diffusion.previews import is_due, make_preview
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
    from torch import Tensor

PICTURE = "picture"


def find_class(name: str, base: str) -> type | None:
    """The class of diffusers with the name, or None if it has none that is a `base`."""
    with collector_off():
        import diffusers

        quiet_libraries()
        found = getattr(diffusers, name, None)
    return found if isinstance(found, type) and issubclass(found, getattr(diffusers, base)) else None


def find_pipeline_class(name: str) -> "type[DiffusionPipeline] | None":
    """The pipeline of diffusers with the name, or None if it has no such one."""
    return find_class(name, "DiffusionPipeline")


def size_multiple(folder: Path) -> int:
    """What width and height must be a multiple of: pixels a latent times latents a patch (8 where it is not said)."""
    vae = read_optional_json(folder / "vae" / "config.json")
    blocks = vae.get("block_out_channels") or vae.get("encoder_block_out_channels") or [0] * 4
    transformer = read_optional_json(folder / "transformer" / "config.json")
    patch = int(transformer.get("patch_size") or 1)
    # Flux packs 2x2 latents into a token and states patch_size 1.
    packs = 2 if "Flux" in str(transformer.get("_class_name")) else 1
    return int(2 ** (len(blocks) - 1) * max(patch, packs))


def makes_pictures(pipeline_class: "type[DiffusionPipeline]") -> bool:
    """Whether a pipeline makes a picture of a given size from a text and needs nothing else."""
    parameters = inspect.signature(pipeline_class.__call__).parameters
    named = {name: value for name, value in parameters.items() if value.kind is not value.VAR_KEYWORD}
    needed = {name for name, value in named.items() if value.default is value.empty} - {"self", "prompt"}
    return {"prompt", "height", "width"} <= set(named) and not needed and not {"num_frames", "image"} & set(named)


def list_components(pipeline_class: "type[DiffusionPipeline] | None") -> list[str]:
    """The names of the components that a pipeline's class takes."""
    return list(inspect.signature(pipeline_class.__init__).parameters) if pipeline_class else []


def read_defaults(pipeline_class: "type[DiffusionPipeline]", folder: Path) -> JsonObject:
    """Steps and guidance if the user names none: the checkpoint's generation_config.json, else the pipeline's own."""
    parameters = inspect.signature(pipeline_class.__call__).parameters
    stated = read_optional_json(folder / "generation_config.json")
    names = [name for name in ("num_inference_steps", "guidance_scale") if name in parameters]
    return {name: stated.get(name, parameters[name].default) for name in names}


def read_default_steps(folder: Path) -> int | None:
    """The steps if the user names none. None if the pipeline states no number."""
    steps = read_optional_json(folder / "generation_config.json").get("num_inference_steps")
    if steps is None:  # only then, since importing a pipeline's class takes seconds
        pipeline_class = find_pipeline_class(str(read_optional_json(folder / "model_index.json").get("_class_name")))
        steps = read_defaults(pipeline_class, folder).get("num_inference_steps") if pipeline_class else None
    return steps if isinstance(steps, int) else None


def make_callback(steps: int, items: int, emit: Emit, previews: bool = False) -> "Callable[..., dict[str, Tensor]]":
    """A pipeline callback that emits the progress by evaluation of the model: some schedulers take several a step.

    So many pictures are made at once; with `previews` the first of them is emitted every few steps. The progress
    begins here, so that the time left is told from the first step on.
    """
    emit(Progress(PICTURE, 0, steps, items))

    def on_step_end(
        pipeline: "DiffusionPipeline", step: int, _timestep: "Tensor", tensors: "dict[str, Tensor]"
    ) -> "dict[str, Tensor]":
        total = getattr(pipeline, "num_timesteps", None) or len(pipeline.scheduler.timesteps)
        emit(Progress(PICTURE, min(step + 1, total), total, items))
        if previews and is_due(step, total):
            preview = make_preview(pipeline, tensors["latents"], step, total)
            if preview is not None:
                emit(preview)
        return tensors

    return on_step_end
