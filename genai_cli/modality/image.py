"""Pictures from text with any text-to-image pipeline of diffusers."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from genai_cli.errors import InputError
from genai_cli.events import Emit, Notice, Progress
from genai_cli.modality.decoding import finite_decoding
from genai_cli.modality.encoding import remember_encodings
from genai_cli.modality.request import Request, read_optional_json
from genai_cli.modality.schedulers import (
    FAST_SCHEDULER,
    FAST_STEPS,
    SCHEDULERS,
    check_checkpoint_takes,
    check_scheduler_name,
    select_scheduler,
)
from genai_cli.model.compiling import CompiledCall, compile_denoiser
from genai_cli.model.device import Placement
from genai_cli.model.hub import ModelFiles
from genai_cli.model.kinds import wrong_kind
from genai_cli.model.loading import load_pipeline

MAX_SIDE = 16384  # pixels; past it no model here was trained and a single picture takes gigabytes
TILING, OFFLOAD = "vae_tiling", "cpu_offload"
SAFETY_COMPONENTS = frozenset({"safety_checker"})


@dataclass(frozen=True, kw_only=True)
class ImageRequest(Request):
    """One picture. Width and height are in pixels; `fast` stands for a scheduler and steps where none are named."""

    task: ClassVar[str] = "image"
    default_model: ClassVar[str] = "sd15"
    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".webp")

    negative_prompt: str = ""
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    width: int | None = None
    height: int | None = None
    scheduler: str | None = None
    safety: bool = True
    fast: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_range("num_inference_steps", low=1, high=1000)
        self.check_range("guidance_scale", low=0, high=100)
        self.check_range("width", low=8, high=MAX_SIDE)
        self.check_range("height", low=8, high=MAX_SIDE)
        if self.scheduler is not None:
            check_scheduler_name(self.scheduler)

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> Self:
        """A request from a row's fields, with what `fast` stands for filled in."""
        request = super().from_fields(values)
        if not request.fast:
            return request
        steps = request.num_inference_steps or FAST_STEPS
        return replace(request, scheduler=request.scheduler or FAST_SCHEDULER, num_inference_steps=steps)

    def parameters(self) -> dict[str, Any]:
        """Every option that shapes the result; `fast` does so through the scheduler and the steps alone."""
        return {name: value for name, value in super().parameters().items() if name != "fast"}

    def unused_components(self) -> frozenset[str]:
        return frozenset() if self.safety else SAFETY_COMPONENTS

    def batch_key(self) -> tuple[object, ...]:
        size = (self.width, self.height)
        # No negative prompt and an empty one are two things to some pipelines.
        return (self.num_inference_steps, self.guidance_scale, size, self.scheduler, bool(self.negative_prompt))

    def pace(self) -> str:
        width, height, steps = (value or "default" for value in (self.width, self.height, self.num_inference_steps))
        return f"{width}x{height}, {steps} steps of {self.scheduler or 'default'}"

    def check_files(self, folder: Path) -> None:
        """Raise InputError for a size that the model cannot make, or a scheduler that it cannot take."""
        stated = read_optional_json(folder / "generation_config.json").get("num_inference_steps")
        if self.fast and stated is not None and stated < FAST_STEPS:
            raise InputError(
                f"--fast takes {FAST_STEPS} steps and {self.model} takes {stated} by its own settings",
                hint="leave --fast out",
            )
        if self.scheduler is not None:
            check_checkpoint_takes(folder, self.scheduler)
        multiple = size_multiple(folder)
        for name, value in (("width", self.width), ("height", self.height)):
            if value is not None and value % multiple:
                nearest = [size for size in (value // multiple * multiple, (value // multiple + 1) * multiple) if size]
                raise InputError(
                    f"--{name} must be a multiple of {multiple} for {self.model}, not {value}",
                    hint=f"nearest: {' and '.join(map(str, nearest))}",
                )


@dataclass(frozen=True)
class ImageResult:
    """A picture as float RGB of shape (height, width, 3) in 0 to 1, with every option that shaped it filled in."""

    pixels: Any
    parameters: dict[str, Any]
    filtered: bool
    remedies: dict[str, Any] = field(default_factory=dict)
    """What was done to make it at all: `vae_dtype`, `memory`."""


@dataclass(frozen=True)
class LoadedImage:
    """A pipeline, the scheduler it came with, its own defaults of steps and guidance, and what of it is compiled."""

    pipeline: Any
    scheduler: Any
    defaults: dict[str, Any]
    compiled: CompiledCall | None = None
    memory: list[str] = field(default_factory=list)
    """What was done since to need less memory."""


def size_multiple(folder: Path) -> int:
    """What width and height must be a multiple of: pixels a latent times latents a patch (8 where it is not said)."""
    vae = read_optional_json(folder / "vae" / "config.json")
    blocks = vae.get("block_out_channels") or vae.get("encoder_block_out_channels") or [0] * 4
    transformer = read_optional_json(folder / "transformer" / "config.json")
    patch = int(transformer.get("patch_size") or 1)
    # Flux packs 2x2 latents into a token and states patch_size 1.
    packs = 2 if "Flux" in str(transformer.get("_class_name")) else 1
    return int(2 ** (len(blocks) - 1) * max(patch, packs))


def load(files: ModelFiles, placement: Placement) -> LoadedImage:
    """Load the pipeline. Raises InputError where it does not make a picture from a text alone."""
    import diffusers

    pipeline_class = getattr(diffusers, files.architecture, None)
    if pipeline_class is not None and not makes_pictures(pipeline_class):
        raise wrong_kind(files.reference.id, "a diffusers pipeline of another kind", files.architecture, "image")
    pipeline = load_pipeline(files, placement, files.unused & set(pipeline_components(pipeline_class)))
    remember_encodings(pipeline)
    compiled = compile_denoiser(pipeline, placement.on_cuda) if placement.compile else None
    return LoadedImage(pipeline, pipeline.scheduler, model_defaults(pipeline, files.folder), compiled)


def makes_pictures(pipeline_class: Any) -> bool:
    """Whether a pipeline makes a picture of a given size from a text and needs nothing else."""
    parameters = inspect.signature(pipeline_class.__call__).parameters
    named = {name: value for name, value in parameters.items() if value.kind is not value.VAR_KEYWORD}
    needed = {name for name, value in named.items() if value.default is value.empty} - {"self", "prompt"}
    return {"prompt", "height", "width"} <= set(named) and not needed and not {"num_frames", "image"} & set(named)


def pipeline_components(pipeline_class: Any) -> list[str]:
    """The names of the components that a pipeline's class takes."""
    return list(inspect.signature(pipeline_class.__init__).parameters) if pipeline_class else []


def model_defaults(pipeline: Any, folder: Path) -> dict[str, Any]:
    """Steps and guidance if the user names none: the checkpoint's generation_config.json, else the pipeline's own."""
    parameters = inspect.signature(pipeline.__call__).parameters
    stated = read_optional_json(folder / "generation_config.json")
    names = [name for name in ("num_inference_steps", "guidance_scale") if name in parameters]
    return {name: stated.get(name, parameters[name].default) for name in names}


def pixels_of(loaded: LoadedImage, request: ImageRequest) -> int:
    """How many pixels a picture has, at the model's own size where the request names none (guessed where unknown)."""
    pipeline = loaded.pipeline
    side = int(getattr(pipeline, "default_sample_size", None) or 64) * int(getattr(pipeline, "vae_scale_factor", 8))
    return (request.width or side) * (request.height or side)


def save_memory(loaded: LoadedImage, device: str) -> str | None:
    """Take the next step that makes a picture need less memory, and say which; None where none is left."""
    pipeline: Any = loaded.pipeline
    vae: Any = getattr(pipeline, "vae", None)
    if TILING not in loaded.memory and hasattr(vae, "enable_tiling"):
        vae.enable_slicing()
        vae.enable_tiling()
        loaded.memory.append(TILING)
        return "pictures are decoded in tiles from now on"
    if OFFLOAD not in loaded.memory and device.startswith("cuda"):
        pipeline.to("cpu")
        pipeline.enable_model_cpu_offload(device=device)
        loaded.memory.append(OFFLOAD)
        return "the model's parts wait in the computer's memory until they are needed from now on"
    return None


def generate(loaded: LoadedImage, requests: Sequence[ImageRequest], emit: Emit) -> list[ImageResult]:
    """Make one picture for each request; each has a generator of its own, seeded on the CPU.

    The requests share their `batch_key`, and their seeds are set. Raises InputError for what the pipeline refuses.
    """
    import torch

    pipeline, shared = loaded.pipeline, requests[0]
    pipeline.scheduler = select_scheduler(loaded.scheduler, shared.scheduler)
    arguments = arguments_of(loaded, shared, emit)
    if shared.negative_prompt:
        arguments["negative_prompt"] = [request.negative_prompt for request in requests]
    for request in requests:
        report_cut_prompts(pipeline, request, emit)
    generators = [torch.Generator("cpu").manual_seed(request.seed) for request in requests]
    try:
        with finite_decoding(pipeline) as repaired:
            output = pipeline(
                [request.prompt for request in requests], generator=generators, output_type="np", **arguments
            )
    except ValueError as error:
        raise InputError(f"the pipeline refused: {str(error).splitlines()[0]}") from error
    flags = getattr(output, "nsfw_content_detected", None) or [False] * len(requests)
    return [
        result_of(loaded, request, pixels, arguments, bool(flagged), place in repaired)
        for place, (request, pixels, flagged) in enumerate(zip(requests, output.images, flags, strict=True))
    ]


def arguments_of(loaded: LoadedImage, request: ImageRequest, emit: Emit) -> dict[str, Any]:
    """The pipeline's arguments that a group shares. Raises InputError for options that it does not take."""
    taken = inspect.signature(loaded.pipeline.__call__).parameters
    values = {
        "negative_prompt": request.negative_prompt or None,
        "num_inference_steps": request.num_inference_steps,
        "guidance_scale": request.guidance_scale,
        "width": request.width,
        "height": request.height,
    }
    arguments = loaded.defaults | {name: value for name, value in values.items() if value is not None}
    refused = sorted(set(arguments) - set(taken))
    if refused:
        raise InputError(f"{type(loaded.pipeline).__name__} takes no {' and no '.join(refused)}")
    if "callback_on_step_end" in taken:
        arguments["callback_on_step_end"] = step_callback(emit, arguments.get("num_inference_steps"))
    return arguments


def result_of(
    loaded: LoadedImage, request: ImageRequest, pixels: Any, arguments: dict[str, Any], filtered: bool, repaired: bool
) -> ImageResult:
    """The picture with the options that shaped it, defaults filled in, and with what was done for it beside them."""
    used = replace(
        request,
        width=int(pixels.shape[1]),
        height=int(pixels.shape[0]),
        num_inference_steps=arguments.get("num_inference_steps"),
        guidance_scale=arguments.get("guidance_scale"),
    ).parameters()
    used["scheduler"] = request.scheduler or scheduler_name(loaded.pipeline.scheduler)
    used["safety"] = getattr(loaded.pipeline, "safety_checker", None) is not None
    remedies: dict[str, Any] = {"vae_dtype": "float32"} if repaired else {}
    if loaded.memory:
        remedies["memory"] = list(loaded.memory)
    return ImageResult(pixels, used, filtered, remedies)


def scheduler_name(scheduler: Any) -> str:
    """The short name of a scheduler's class, or the class's own name."""
    name = type(scheduler).__name__
    return next((short for short, (class_name, extra) in SCHEDULERS.items() if class_name == name and not extra), name)


def step_callback(emit: Emit, total: int | None) -> Callable[..., dict[str, Any]]:
    """A pipeline callback that emits the progress by step."""

    def on_step_end(_pipeline: Any, step: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        emit(Progress("image", min(step + 1, total or step + 1), total or step + 1))
        return tensors

    return on_step_end


def report_cut_prompts(pipeline: Any, request: ImageRequest, emit: Emit) -> None:
    """Say what part of a prompt lies past the length of the longest-reading text encoder."""
    for label, prompt in (("prompt", request.prompt), ("negative prompt", request.negative_prompt)):
        readings = [cut_of(tokenizer, prompt, pipeline) for tokenizer in tokenizers_of(pipeline)]
        if readings and all(readings):
            length, limit, cut = min((reading for reading in readings if reading), key=lambda reading: len(reading[2]))
            emit(Notice(f"the {label} has {length} tokens and the model reads {limit}; cut off: {cut!r}"))


def tokenizers_of(pipeline: Any) -> list[Any]:
    """The tokenizers of a pipeline's text encoders."""
    return [part for name, part in pipeline.components.items() if name.startswith("tokenizer") and part is not None]


def cut_of(tokenizer: Any, prompt: str, pipeline: Any) -> tuple[int, int, str] | None:
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
