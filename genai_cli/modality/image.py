"""Pictures from text with any text-to-image pipeline of diffusers."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from genai_cli.content.content import Content
from genai_cli.content.openai_answers import answer_images
from genai_cli.content.picture import Picture
from genai_cli.device.compile_decision import Times
from genai_cli.errors import InputError
from genai_cli.events import Emit, Notice, Progress
from genai_cli.hub.catalog import ModelKind
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.diffusion.prompt_encoding import remember_encodings
from genai_cli.modality.diffusion.schedulers import (
    FAST_SCHEDULER,
    FAST_STEPS,
    SCHEDULERS,
    check_checkpoint_takes,
    select_scheduler,
)
from genai_cli.modality.diffusion.vae_decoding import finite_decoding
from genai_cli.modality.modality import TINY, Modality, Result
from genai_cli.request.openai_rows import Endpoint, read_one_prompt
from genai_cli.request.option import Option
from genai_cli.request.request import ModelNeeds, PromptRequest, Request
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline, SchedulerMixin
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

MAX_SIDE = 16384  # pixels; no model here was trained past it, and a single picture takes gigabytes
TILING, OFFLOAD = "vae_tiling", "cpu_offload"
SAFETY_COMPONENTS = frozenset({"safety_checker"})
# What a pipeline takes of the device's memory for each pixel, beside its weights: Stable Diffusion 1.5 in float16,
# where the decoder takes most of it.
BYTES_A_PIXEL = 12_000
MOST_AT_ONCE = 16


def parse_size(size: str) -> tuple[int, int]:
    """`WxH` as width and height in pixels. Raises InputError."""
    width, separator, height = size.lower().partition("x")
    if not (separator and width.strip().isdecimal() and height.strip().isdecimal()):
        raise InputError(f"--size must be WIDTHxHEIGHT in pixels, such as 512x768, not {size!r}")
    return int(width), int(height)


@dataclass(frozen=True, kw_only=True)
class ImageRequest(PromptRequest):
    """One picture. Width and height are in pixels; `fast` stands for a scheduler and steps where none are named."""

    task: ClassVar[str] = "image"
    default_model: ClassVar[str] = "sd15"

    negative_prompt: Annotated[str, Option("--negative-prompt", help="What the picture should not show.")] = ""
    num_inference_steps: Annotated[
        int | None, Option("--steps", help="Denoising steps.", default="the model's own", low=1, high=1000)
    ] = None
    guidance_scale: Annotated[
        float | None,
        Option(
            "--guidance",
            "--cfg-scale",
            help="How strongly the prompt is followed.",
            default="the model's own",
            low=0,
            high=100,
        ),
    ] = None
    width: Annotated[
        int | None, Option("--width", help="Width in pixels.", default="the model's own", low=8, high=MAX_SIDE)
    ] = None
    height: Annotated[
        int | None, Option("--height", help="Height in pixels.", default="the model's own", low=8, high=MAX_SIDE)
    ] = None
    size: Annotated[
        str | None,
        Option(
            "--size",
            metavar="WxH",
            help="Width and height at once: 512x768.",
            sets=("width", "height"),
            parse=parse_size,
            recorded=False,
        ),
    ] = None
    scheduler: Annotated[
        str | None,
        Option(
            "--scheduler",
            "--sampler",
            help=f"One of {', '.join(SCHEDULERS)}.",
            default="the model's own",
            choices=tuple(SCHEDULERS),
        ),
    ] = None
    safety: Annotated[
        bool, Option("--safety/--no-safety", help="Run the safety checker that the model ships with.")
    ] = True
    fast: Annotated[
        bool,
        Option(
            "--fast",
            help="20 steps of dpm++2m-karras; --steps and --scheduler beside it change their part.",
            sets=("scheduler", "num_inference_steps"),
            recorded=False,
        ),
    ] = False

    @classmethod
    def from_fields(cls, values: Mapping[str, object], folder: Path = Path()) -> Self:
        """A request from a row's fields, with what `fast` stands for filled in."""
        request = super().from_fields(values, folder)
        if not request.fast:
            return request
        steps = request.num_inference_steps or FAST_STEPS
        return replace(request, scheduler=request.scheduler or FAST_SCHEDULER, num_inference_steps=steps)

    def needs(self) -> ModelNeeds:
        return super().needs()._replace(unused=frozenset() if self.safety else SAFETY_COMPONENTS)

    def batch_key(self) -> tuple[object, ...]:
        size = (self.width, self.height)
        # No negative prompt and an empty one are two things to some pipelines.
        return (self.num_inference_steps, self.guidance_scale, size, self.scheduler, bool(self.negative_prompt))

    def pace(self) -> str:
        width, height, steps = (value or "default" for value in (self.width, self.height, self.num_inference_steps))
        return f"{width}x{height}, {steps} steps of {self.scheduler or 'default'}"


class Image(Modality[ImageRequest]):
    """A text-to-image pipeline of diffusers, with the scheduler it came with and its own steps and guidance."""

    request: ClassVar[type[Request]] = ImageRequest
    content: ClassVar[type[Content]] = Picture
    models: ClassVar[ModelKind] = ModelKind(
        task="image",
        words="a text-to-image model",
        library="diffusers",
        aliases={"sd15": "stable-diffusion-v1-5/stable-diffusion-v1-5"},
        built_in=TINY / "image",
    )
    libraries: ClassVar[tuple[str, ...]] = ("torch", "diffusers")
    example: ClassVar[str] = 'genai image "an astronaut riding a horse" -n 4 -o pictures/'
    overlaps: ClassVar[bool] = True
    # On purpose slow to compile and little to gain, before anything was seen on a machine.
    compile_times: ClassVar[Times | None] = Times(2.0, 1.6, 120.0)
    endpoints: ClassVar[tuple[Endpoint, ...]] = (
        Endpoint(
            "/v1/images/generations",
            names={"size": "size", "n": "num", "seed": "seed"},
            read=read_one_prompt,
            answer=answer_images,
            ignored=frozenset({"response_format"}),
            formats={"png": ".png", "jpeg": ".jpg", "webp": ".webp"},
            unset={"size": "auto"},
        ),
    )

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the pipeline. Raises InputError where it does not make a picture from a text alone."""
        import diffusers

        from genai_cli.device.compiling import compile_denoiser
        from genai_cli.device.loading import load_pipeline

        pipeline_class = getattr(diffusers, files.architecture, None)
        if pipeline_class is not None and not makes_pictures(pipeline_class):
            raise files.wrong_kind("a diffusers pipeline of another kind")
        self.pipeline = load_pipeline(files, placement, files.unused & set(list_components(pipeline_class)))
        self.own_scheduler = self.pipeline.scheduler
        self.defaults = read_defaults(self.pipeline, files.folder)
        self.memory: list[str] = []
        """What was done since to need less memory."""
        remember_encodings(self.pipeline)
        self.compiled = compile_denoiser(self.pipeline, placement.on_cuda) if placement.compile else None

    @classmethod
    def check(cls, folder: Path, request: ImageRequest) -> None:
        """Raise InputError for a size that the model cannot make, or a scheduler that it cannot take."""
        stated = read_optional_json(folder / "generation_config.json").get("num_inference_steps")
        if request.fast and stated is not None and stated < FAST_STEPS:
            raise InputError(
                f"--fast takes {FAST_STEPS} steps and {request.model} takes {stated} by its own settings",
                hint="leave --fast out",
            )
        if request.scheduler is not None:
            check_checkpoint_takes(folder, request.scheduler)
        multiple = size_multiple(folder)
        for name, value in (("width", request.width), ("height", request.height)):
            if value is not None and value % multiple:
                nearest = [size for size in (value // multiple * multiple, (value // multiple + 1) * multiple) if size]
                raise InputError(
                    f"--{name} must be a multiple of {multiple} for {request.model}, not {value}",
                    hint=f"nearest: {' and '.join(map(str, nearest))}",
                )

    def choose_batch_size(self, request: ImageRequest, device: str, free_bytes: int) -> int:
        """As many as fit into the free memory of a GPU; elsewhere it is not known what memory is free."""
        if not device.startswith("cuda"):
            return 1
        return max(1, min(MOST_AT_ONCE, free_bytes * 8 // 10 // (BYTES_A_PIXEL * self.count_pixels(request))))

    @classmethod
    def limit_batch_size(cls, device: str) -> int | None:
        """One on a processor: a picture keeps all cores busy there.

        Convolutions of several would sum in another order, and every pixel could differ by a step.
        """
        return 1 if device == "cpu" else None

    def count_pixels(self, request: ImageRequest) -> int:
        """The pixels of a picture, at the model's own size where the request names none (guessed where unknown)."""
        own = getattr(self.pipeline, "default_sample_size", None)
        side = int(own or 64) * int(getattr(self.pipeline, "vae_scale_factor", 8))
        return (request.width or side) * (request.height or side)

    def save_memory(self, device: str) -> str | None:
        """Decode in tiles, then keep the model's parts off the GPU."""
        vae = getattr(self.pipeline, "vae", None)
        if TILING not in self.memory and vae is not None and hasattr(vae, "enable_tiling"):
            vae.enable_slicing()
            vae.enable_tiling()
            self.memory.append(TILING)
            return "pictures are decoded in tiles from now on"
        if OFFLOAD not in self.memory and device.startswith("cuda"):
            self.pipeline.to("cpu")
            self.pipeline.enable_model_cpu_offload(device=device)
            self.memory.append(OFFLOAD)
            return "the model's parts wait in the computer's memory until they are needed from now on"
        return None

    def generate(self, requests: Sequence[ImageRequest], emit: Emit) -> list[Result]:
        """Make one picture for each request; each has a generator of its own, seeded on the CPU.

        Raises InputError for what the pipeline refuses.
        """
        import torch

        shared = requests[0]
        self.pipeline.scheduler = select_scheduler(self.own_scheduler, shared.scheduler)
        arguments = self.choose_arguments(shared, emit)
        if shared.negative_prompt:
            arguments["negative_prompt"] = [request.negative_prompt for request in requests]
        for request in requests:
            report_cut_prompts(self.pipeline, request, emit)
        generators = [torch.Generator("cpu").manual_seed(request.seed) for request in requests]
        try:
            with finite_decoding(self.pipeline) as repaired:
                output = self.pipeline(
                    [request.prompt for request in requests], generator=generators, output_type="np", **arguments
                )
        except ValueError as error:
            raise InputError(f"the pipeline refused: {str(error).splitlines()[0]}") from error
        flags = getattr(output, "nsfw_content_detected", None) or [False] * len(requests)
        return [
            self.describe(request, Picture(pixels, bool(flagged)), arguments, place in repaired)
            for place, (request, pixels, flagged) in enumerate(zip(requests, output.images, flags, strict=True))
        ]

    def choose_arguments(self, request: ImageRequest, emit: Emit) -> JsonObject:
        """The pipeline's arguments that several requests share. Raises InputError for options that it does not take."""
        taken = inspect.signature(self.pipeline.__call__).parameters
        values = {
            "negative_prompt": request.negative_prompt or None,
            "num_inference_steps": request.num_inference_steps,
            "guidance_scale": request.guidance_scale,
            "width": request.width,
            "height": request.height,
        }
        arguments = self.defaults | {name: value for name, value in values.items() if value is not None}
        refused = sorted(set(arguments) - set(taken))
        if refused:
            raise InputError(f"{type(self.pipeline).__name__} takes no {' and no '.join(refused)}")
        if "callback_on_step_end" in taken:
            arguments["callback_on_step_end"] = make_callback(emit, arguments.get("num_inference_steps"))
        return arguments

    def describe(self, request: ImageRequest, picture: Picture, arguments: JsonObject, repaired: bool) -> Result:
        """The picture with the options that shaped it, defaults filled in, and with what was done for it."""
        height, width = picture.values.shape[:2]
        used = replace(
            request,
            width=int(width),
            height=int(height),
            num_inference_steps=arguments.get("num_inference_steps"),
            guidance_scale=arguments.get("guidance_scale"),
        ).parameters()
        used["scheduler"] = request.scheduler or name_scheduler(self.pipeline.scheduler)
        used["safety"] = getattr(self.pipeline, "safety_checker", None) is not None
        facts: JsonObject = {"vae_dtype": "float32"} if repaired else {}
        if self.memory:
            facts["memory"] = list(self.memory)
        return Result(picture, used, facts)


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


def read_defaults(pipeline: "DiffusionPipeline", folder: Path) -> JsonObject:
    """Steps and guidance if the user names none: the checkpoint's generation_config.json, else the pipeline's own."""
    parameters = inspect.signature(pipeline.__call__).parameters
    stated = read_optional_json(folder / "generation_config.json")
    names = [name for name in ("num_inference_steps", "guidance_scale") if name in parameters]
    return {name: stated.get(name, parameters[name].default) for name in names}


def name_scheduler(scheduler: "SchedulerMixin") -> str:
    """The short name of a scheduler's class, or the class's own name."""
    name = type(scheduler).__name__
    return next((short for short, (class_name, extra) in SCHEDULERS.items() if class_name == name and not extra), name)


def make_callback(emit: Emit, total: int | None) -> "Callable[..., dict[str, Tensor]]":
    """A pipeline callback that emits the progress by step."""

    def on_step_end(
        _pipeline: "DiffusionPipeline", step: int, _timestep: "Tensor", tensors: "dict[str, Tensor]"
    ) -> "dict[str, Tensor]":
        emit(Progress("image", min(step + 1, total or step + 1), total or step + 1))
        return tensors

    return on_step_end


def report_cut_prompts(pipeline: "DiffusionPipeline", request: ImageRequest, emit: Emit) -> None:
    """Say what part of a prompt lies past the length of the longest-reading text encoder."""
    for label, prompt in (("prompt", request.prompt), ("negative prompt", request.negative_prompt)):
        readings = [find_cut(tokenizer, prompt, pipeline) for tokenizer in list_tokenizers(pipeline)]
        if readings and all(readings):
            length, limit, cut = min((reading for reading in readings if reading), key=lambda reading: len(reading[2]))
            emit(Notice(f"the {label} has {length} tokens and the model reads {limit}; cut off: {cut!r}"))


def list_tokenizers(pipeline: "DiffusionPipeline") -> "list[PreTrainedTokenizerBase]":
    """The tokenizers of a pipeline's text encoders."""
    return [part for name, part in pipeline.components.items() if name.startswith("tokenizer") and part is not None]


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
