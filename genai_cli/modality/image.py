"""Pictures from text with any text-to-image pipeline of diffusers."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from genai_cli.content.content import Content
from genai_cli.content.openai_answers import answer_images
from genai_cli.content.picture import Picture
from genai_cli.device.compile_decision import Times
from genai_cli.device.failures import first_line
from genai_cli.errors import InputError
from genai_cli.events import Emit, Notice
from genai_cli.hub.catalog import ModelKind
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.diffusion.guidance import explain_unused_negative_prompt, ignores_guidance
from genai_cli.modality.diffusion.pipelines import (
    list_components,
    make_callback,
    makes_pictures,
    read_default_steps,
    read_defaults,
    size_multiple,
)
from genai_cli.modality.diffusion.prompt_encoding import remember_encodings
from genai_cli.modality.diffusion.prompts import report_cut_prompts, report_unknown_subject, report_unknown_words
from genai_cli.modality.diffusion.scheduler_choice import choose_scheduler, choose_spacing
from genai_cli.modality.diffusion.schedulers import (
    FAST_SCHEDULER,
    FAST_STEPS,
    SCHEDULERS,
    describe_scheduler,
    name_scheduler,
    read_own_scheduler,
)
from genai_cli.modality.diffusion.service import SERVICE
from genai_cli.modality.diffusion.vae_decoding import finite_decoding
from genai_cli.modality.known_models import PICTURES
from genai_cli.modality.modality import TINY, Modality, Result
from genai_cli.modality.service import Service
from genai_cli.request.openai_rows import Endpoint, read_one_prompt
from genai_cli.request.option import Option
from genai_cli.request.request import ModelNeeds, PromptRequest, Request
from genai_cli.types import JsonObject

if TYPE_CHECKING:
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

    preview: Annotated[
        bool, Option("--preview", help="Show the picture in the terminal as it forms.", recorded=False)
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
        known=PICTURES,
        built_in=TINY / "image",
    )
    libraries: ClassVar[tuple[str, ...]] = ("torch", "diffusers")
    example: ClassVar[str] = 'genai image "an astronaut riding a horse" -n 4 -o pictures/'
    overlaps: ClassVar[bool] = True
    previews: ClassVar[bool] = True
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
    service: ClassVar[Service | None] = SERVICE

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the pipeline. Raises InputError where it does not make a picture from a text alone."""
        import diffusers

        from genai_cli.device.compiling import compile_denoiser
        from genai_cli.device.loading import load_pipeline

        pipeline_class = getattr(diffusers, files.architecture, None)
        if pipeline_class is not None and not makes_pictures(pipeline_class):
            raise files.wrong_kind("a diffusers pipeline of another kind")
        self.pipeline = load_pipeline(files, placement, files.unused & set(list_components(pipeline_class)))
        self.folder = files.folder
        self.own_scheduler = describe_scheduler(self.pipeline.scheduler, files.folder)
        self.defaults = read_defaults(type(self.pipeline), files.folder)
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
        if request.scheduler is not None and (own := read_own_scheduler(folder)) is not None:
            choose_spacing(own, request.scheduler, request.num_inference_steps or read_default_steps(folder))
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
        arguments = self.choose_arguments(shared, len(requests), emit)
        spacing = self.place_scheduler(shared, arguments.get("num_inference_steps"), emit)
        if shared.negative_prompt:
            arguments["negative_prompt"] = [request.negative_prompt for request in requests]
        for request in requests:
            self.report_unread(request, emit)
        generators = [torch.Generator("cpu").manual_seed(request.seed) for request in requests]
        try:
            with finite_decoding(self.pipeline) as repaired:
                output = self.pipeline(
                    [request.prompt for request in requests], generator=generators, output_type="np", **arguments
                )
        except ValueError as error:
            raise InputError(f"the pipeline refused: {first_line(error)}") from error
        flags = getattr(output, "nsfw_content_detected", None) or [False] * len(requests)
        used = self.find_used(shared, arguments, emit)
        facts: JsonObject = {"noise_spacing": spacing} if spacing else {}
        return [
            self.describe(
                request,
                Picture(pixels, bool(flagged)),
                {**used, "negative_prompt": request.negative_prompt if used["negative_prompt"] else ""},
                facts | ({"vae_dtype": "float32"} if place in repaired else {}),
            )
            for place, (request, pixels, flagged) in enumerate(zip(requests, output.images, flags, strict=True))
        ]

    def place_scheduler(self, request: ImageRequest, steps: int | None, emit: Emit) -> str | None:
        """Give the pipeline a new scheduler, and return its noise spacing if that is not the checkpoint's."""
        self.pipeline.scheduler, spacing = choose_scheduler(self.own_scheduler, request.scheduler, steps)
        if spacing:
            because = f"the model's own are too far apart at {steps} steps"
            emit(Notice(f"the scheduler {request.scheduler} takes {spacing} noise levels: {because}", once=True))
        return spacing

    def report_unread(self, request: ImageRequest, emit: Emit) -> None:
        """Say what of a request's prompts the model does not read or know."""
        report_cut_prompts(self.pipeline, request.prompt, request.negative_prompt, emit)
        report_unknown_words(self.pipeline, request.prompt, request.negative_prompt, emit)
        advice = f"-m {request.default_model} draws anything"
        report_unknown_subject(self.folder, request.prompt, advice, emit)

    def find_used(self, request: ImageRequest, arguments: JsonObject, emit: Emit) -> JsonObject:
        """The steps, guidance and negative prompt that shaped the pictures; what was asked for in vain is said."""
        used = {name: arguments.get(name) for name in ("num_inference_steps", "guidance_scale", "negative_prompt")}
        reason = explain_unused_negative_prompt(self.pipeline, arguments) if request.negative_prompt else None
        if reason:
            used["negative_prompt"] = None
            emit(Notice(f"the negative prompt has no effect: {reason}", once=True))
        if ignores_guidance(self.pipeline):
            used["guidance_scale"] = None
            if request.guidance_scale is not None:
                emit(Notice("--guidance has no effect: this model takes none", once=True))
        return used

    def choose_arguments(self, request: ImageRequest, items: int, emit: Emit) -> JsonObject:
        """The pipeline's arguments that so many requests share. Raises InputError for options that it does not take."""
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
            arguments["callback_on_step_end"] = make_callback(
                int(arguments.get("num_inference_steps") or 1), items, emit, request.preview
            )
        return arguments

    def describe(self, request: ImageRequest, picture: Picture, used: JsonObject, facts: JsonObject) -> Result:
        """The picture with the options that shaped it, defaults filled in, and with what was done for it."""
        height, width = picture.values.shape[:2]
        parameters = replace(request, width=int(width), height=int(height), **used).parameters()
        parameters["scheduler"] = request.scheduler or name_scheduler(self.pipeline.scheduler)
        parameters["safety"] = getattr(self.pipeline, "safety_checker", None) is not None
        return Result(picture, parameters, {**facts, "memory": list(self.memory)} if self.memory else facts)
