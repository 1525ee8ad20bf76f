"""Pipelines and VAEs from one file of weights, with the configurations of a folder: no request is made for either."""

from typing import TYPE_CHECKING

from genai_cli.device.placement import Placement
from genai_cli.errors import ModelError
from genai_cli.hub.fetching import ModelFiles
from genai_cli.hub.single_file import describe
from genai_cli.hub.storage import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from diffusers import AutoencoderKL, DiffusionPipeline

FIRST_STEP = 999  # of 1000: all is noise there
NOISE_ONLY = 0.5


def load_checkpoint(
    files: ModelFiles, file: "Path", placement: Placement, parts: dict[str, object]
) -> "DiffusionPipeline":
    """The pipeline of a single-file checkpoint on the CPU; `parts` are components that come from elsewhere."""
    import diffusers

    pipeline_class = getattr(diffusers, files.architecture)
    pipeline: DiffusionPipeline = pipeline_class.from_single_file(
        str(file), config=str(files.folder), local_files_only=True, torch_dtype=placement.torch_dtype(), **parts
    )
    adapt_scheduler(pipeline, file)
    return pipeline


def load_vae(files: ModelFiles, file: "Path", placement: Placement) -> "AutoencoderKL":
    """The VAE in a file, with the configuration beside it, else with that of the checkpoint."""
    from diffusers import AutoencoderKL

    has_own = (file.parent / "config.json").is_file()
    folder, inside = (file.parent, None) if has_own else (files.folder, "vae")
    try:
        return AutoencoderKL.from_single_file(
            str(file),
            config=str(folder),
            subfolder=inside,
            local_files_only=True,
            torch_dtype=placement.torch_dtype(),
        )
    except (ValueError, KeyError, AttributeError, RuntimeError) as error:
        first = str(error).split("\n", 1)[0]
        raise ModelError(f"the VAE {file.name} does not fit {files.reference.id}: {first}") from error


def adapt_scheduler(pipeline: "DiffusionPipeline", file: "Path") -> None:
    """Give the pipeline's scheduler what the file says of its training, or what its UNet shows.

    The two kinds of Stable Diffusion 2.x have weights of the same names and shapes: the first step shows which it is.
    """
    kind = describe(file)
    scheduler = pipeline.scheduler
    predicts = kind.predicts
    if predicts is None and kind.layout == "sd2":
        predicts = "v_prediction" if predicts_velocity(pipeline) else "epsilon"
        if predicts == "epsilon":
            # The releases that predict noise make 512x512.
            pipeline.unet.register_to_config(sample_size=64)
    changes: dict[str, object] = {}
    if predicts not in (None, scheduler.config.get("prediction_type", "epsilon")):
        changes["prediction_type"] = predicts
    if kind.zero_snr:
        changes |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    if changes:
        pipeline.scheduler = type(scheduler).from_config(scheduler.config, **changes)


def predicts_velocity(pipeline: "DiffusionPipeline") -> bool:
    """Whether a UNet predicts a velocity, not noise: asked for noise where all is noise, the latter returns its input.

    Source: https://github.com/AUTOMATIC1111/stable-diffusion-webui/blob/master/modules/sd_models_config.py
    """
    import torch

    unet = pipeline.unet
    given = torch.full((1, unet.config.in_channels, 8, 8), NOISE_ONLY, dtype=unet.dtype)
    words = torch.full((1, 77, unet.config.cross_attention_dim), NOISE_ONLY, dtype=unet.dtype)
    with torch.no_grad():
        answer = unet(given, FIRST_STEP, words).sample
    return bool((answer.float() - given.float()).mean() < -1)


def find_pad_token(files: ModelFiles, name: str) -> str | None:
    """The padding of a tokenizer that the package has one vocabulary for; None if the layout has its own."""
    if (files.folder / name / "vocab.json").is_file():
        return None
    return str(read_json(files.folder / name, "tokenizer_config.json")["pad_token"])
