"""A picture goes into a pipeline and comes out changed: which pipeline, at which size, and with which arguments."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from genai_cli.content.picture import Picture
from genai_cli.content.picture_reading import measure_picture
from genai_cli.errors import InputError
from genai_cli.events import Emit, Notice, tag_item
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.diffusion.controlled import ControlledRequest
from genai_cli.modality.diffusion.masks import FULL, LatentBlending, resize
from genai_cli.modality.diffusion.painter import Painted, Painter
from genai_cli.modality.diffusion.pipelines import find_pipeline_class, makes_pictures, read_default_steps
from genai_cli.modality.diffusion.prompt_encoding import RememberedCall
from genai_cli.modality.diffusion.regions import fit_size
from genai_cli.modality.diffusion.ways import Way, find_way, has_fill_pipeline
from genai_cli.modality.modality import Result
from genai_cli.request.input import Input
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from diffusers import DiffusionPipeline
    from numpy.typing import NDArray
    from torch import Tensor

STRENGTH = 0.8  # diffusers' own for Stable Diffusion; its other pipelines have 0.3 to 0.6, which change little
STATED = "image_to_image"
"""What a checkpoint's generation_config.json says of edits: strength and guidance_scale."""
TAKES_SEVERAL = ("Pix2Pix",)
"""Pipelines that follow instructions for several pictures at once; to the others several pictures are one input."""

R = TypeVar("R", bound=ControlledRequest)


@dataclass(frozen=True)
class Work:
    """What a pipeline is given: for each request a picture at the size of the work, and a hard mask of that size."""

    pictures: "Sequence[NDArray[np.uint8]]"
    mask: "NDArray[np.uint8] | None" = None
    crop: "Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None" = None
    """What cuts out of a whole picture the part that is worked on."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pictures[0].shape[1], self.pictures[0].shape[0]


class Editor:
    """The pipelines that edit pictures with a loaded model, which they share."""

    def __init__(self, pipeline: "DiffusionPipeline") -> None:
        """The editor of a pipeline. Raises InputError where its class edits no pictures."""
        way = find_way(type(pipeline))
        if way is None:
            raise InputError(f"{type(pipeline).__name__} cannot start from a picture", hint="take another model")
        self.pipeline = pipeline
        self.way = way
        self.made: dict[bool, DiffusionPipeline] = {}
        vae = getattr(pipeline, "vae", None)
        if vae is not None and hasattr(vae, "encode"):
            vae.encode = RememberedCall(vae.encode)

    def choose_pipeline(self, *, masked: bool) -> "DiffusionPipeline":
        """The pipeline for whole pictures, or for a masked part of them; it is made of the same parts at first use."""
        if masked not in self.made:
            self.made[masked] = self.derive_pipeline(masked)
        return self.made[masked]

    def derive_pipeline(self, masked: bool) -> "DiffusionPipeline":
        """A pipeline of the family that takes a picture, and a mask too if latents cannot be blended from outside."""
        import diffusers

        own = type(self.pipeline)
        has_plain_latents = hasattr(self.pipeline, "unet")
        if self.way is Way.NOISE and masked and not has_plain_latents and has_fill_pipeline(own):
            derived = diffusers.AutoPipelineForInpainting.from_pipe(self.pipeline)
        elif self.way is Way.NOISE and makes_pictures(own):
            derived = diffusers.AutoPipelineForImage2Image.from_pipe(self.pipeline)
        else:
            return self.pipeline
        derived.set_progress_bar_config(disable=True)
        return derived


def paint_over(
    painter: Painter[R],
    editor: Editor,
    requests: Sequence[R],
    work: Work,
    given: Mapping[str, object],
    emit: Emit,
) -> tuple[list[Painted], JsonObject]:
    """What the pipeline makes for requests that share all but picture, seed and prompts, and the options it used.

    `given` holds strength and what else a way takes, None for the model's own.
    """
    if editor.way is Way.INSTRUCTION and not any(name in type(editor.pipeline).__name__ for name in TAKES_SEVERAL):
        pairs = [
            paint_group(painter, editor, [request], replace(work, pictures=[picture]), given, emit)
            for request, picture in zip(requests, work.pictures, strict=True)
        ]
    else:
        pairs = [paint_group(painter, editor, requests, work, given, emit)]
    return [painted for group, _ in pairs for painted in group], pairs[0][1]


def paint_group(
    painter: Painter[R],
    editor: Editor,
    requests: Sequence[R],
    work: Work,
    given: Mapping[str, object],
    emit: Emit,
) -> tuple[list[Painted], JsonObject]:
    """The same, for requests that a pipeline takes at once."""
    from PIL import Image

    shared, items = requests[0], len(requests)
    if shared.control:
        pipeline = painter.controlling.guide(shared, from_picture=True)
    else:
        pipeline = editor.choose_pipeline(masked=work.mask is not None)
    taken = inspect.signature(pipeline.__call__).parameters
    fills = editor.way is Way.FILL and work.mask is not None
    given = choose_strengths(painter.folder, taken, shared, given, fills=fills)
    arguments = painter.choose_arguments(pipeline, shared, given, items, emit)
    images = [Image.fromarray(picture) for picture in work.pictures]
    arguments["image"] = images[0] if items == 1 else images
    width, height = work.size
    size = {"width": width, "height": height, "max_area": width * height}
    arguments |= {name: value for name, value in size.items() if name in taken}
    arguments |= painter.controlling.argue(shared, work.size, emit, from_picture=True, crop=work.crop)
    facts = painter.place_scheduler(pipeline, shared, arguments.get("num_inference_steps"), emit)
    for place, request in enumerate(requests):
        painter.report_unread(request, tag_item(emit, place))
    if "mask_image" in taken:
        mask = work.mask if work.mask is not None else (work.pictures[0][..., 0] | FULL)
        arguments["mask_image"] = Image.fromarray(mask)
    elif work.mask is not None and editor.way is Way.NOISE:
        blend_latents(pipeline, arguments, work.mask)
    pictures = painter.paint(pipeline, requests, arguments, facts, emit)
    used = painter.find_used(pipeline, shared, arguments, emit)
    return pictures, used | {name: arguments.get(name) for name in given}


def choose_strengths(
    folder: Path,
    taken: Mapping[str, object],
    request: ControlledRequest,
    given: Mapping[str, object],
    *,
    fills: bool,
) -> JsonObject:
    """What is given, with the model's own where it is None: what the checkpoint states, or the pipeline's default.

    A model that `fills` a mask makes all of it new by default, for which it was trained.
    """
    chosen = dict(given)
    for name in set(given) - {"strength"}:
        if chosen[name] is None and name in taken:
            chosen[name] = read_default(taken, name)
    if "strength" in taken and chosen.get("strength") is None:
        stated = read_stated(folder)
        chosen["strength"] = stated.get("strength", read_default(taken, "strength") if fills else STRENGTH)
        if request.guidance_scale is None and "guidance_scale" in stated:
            chosen["guidance_scale"] = stated["guidance_scale"]
    return chosen


def read_stated(folder: Path) -> JsonObject:
    """What a checkpoint states of edits."""
    stated: JsonObject = read_optional_json(folder / "generation_config.json").get(STATED, {})
    return stated


def read_default(taken: Mapping[str, object], name: str) -> object:
    """The default of a parameter."""
    return getattr(taken[name], "default", None)


def blend_latents(pipeline: "DiffusionPipeline", arguments: JsonObject, mask: "NDArray[np.uint8]") -> None:
    """Have the latents outside a mask kept in the pipeline's next run."""
    blending = LatentBlending(pipeline.scheduler, mask)
    report = arguments["callback_on_step_end"]

    def on_step_end(
        running: "DiffusionPipeline", step: int, timestep: "Tensor", tensors: "dict[str, Tensor]"
    ) -> "dict[str, Tensor]":
        tensors["latents"] = blending.blend(running, step, tensors["latents"])
        reported: dict[str, Tensor] = report(running, step, timestep, tensors)
        return reported

    arguments["callback_on_step_end"] = on_step_end


def check_strength(folder: Path, request: ControlledRequest, strength: float | None) -> None:
    """Raise InputError for a strength that the model does not take, or that leaves none of its steps."""
    way = read_way(folder)
    if strength is None and way is Way.NOISE:
        strength = read_stated(folder).get("strength", STRENGTH)
    if strength is None or way is None:
        return
    if way is Way.INSTRUCTION:
        raise InputError(f"{request.model} follows instructions, and takes no --strength", hint="leave it out")
    steps = request.num_inference_steps or read_default_steps(folder)
    if steps is not None and int(steps * strength) < 1:
        raise InputError(
            f"--strength {strength:g} of {steps} step{'s' * (steps != 1)} leaves none",
            hint=f"at least --strength {math.ceil(100 / steps) / 100:g}, or more --steps",
        )


def read_way(folder: Path) -> Way | None:
    """How the model in a folder edits pictures, told from the class that its index names."""
    pipeline_class = find_pipeline_class(str(read_optional_json(folder / "model_index.json").get("_class_name")))
    return find_way(pipeline_class) if pipeline_class else None


def edit_whole(
    painter: Painter[R],
    editor: Editor,
    requests: Sequence[R],
    sources: Sequence[Input],
    given: Mapping[str, object],
    emit: Emit,
) -> list[Result]:
    """Edit a whole picture for each request, all of one size: at the model's size, in the pictures' aspect."""
    shared = requests[0]
    read = {source: Picture.read(source, emit) for source in dict.fromkeys(sources)}
    pixels = read[sources[0]].pixels
    before = pixels.shape[1], pixels.shape[0]
    size = choose_size(painter, shared, before)
    how = "" if shared.width and shared.height else "; --size WIDTHxHEIGHT names another"
    for source in read if size != before else ():
        emit(Notice(f"{source.name} is {before[0]}x{before[1]} and is made at {size[0]}x{size[1]}{how}", once=True))
    resized = {source: resize(picture.pixels, size) for source, picture in read.items()}
    work = Work([resized[source] for source in sources])
    pictures, used = paint_over(painter, editor, requests, work, given, emit)
    results = []
    for request, source, made in zip(requests, sources, pictures, strict=True):
        height, width = made.values.shape[:2]
        facts = {**made.facts, "sizes": {"input": [*before], "work": [*size]}}
        shaped = used | {"width": int(width), "height": int(height)}
        picture = Picture(made.values, made.filtered, read[source].profile)
        results.append(painter.describe(request, picture, shaped, facts))
    return results


def find_size(source: Input) -> object:
    """What pictures share that a pipeline takes at once; one that cannot be measured any more is by itself."""
    try:
        return measure_picture(source)
    except InputError:
        return source.sha256


def choose_size(painter: Painter[R], request: R, size: tuple[int, int]) -> tuple[int, int]:
    """The size at which a picture is worked: what the request names; the aspect tells a side that it does not name."""
    width, height = size
    multiple = painter.size_multiple
    if request.width and request.height:
        return request.width, request.height
    if request.width:
        return request.width, max(multiple, round(request.width * height / width / multiple) * multiple)
    if request.height:
        return max(multiple, round(request.height * width / height / multiple) * multiple), request.height
    return fit_size(width, height, painter.own_side, multiple)
