"""What all tasks share that make pictures with a pipeline of diffusers: how it is loaded, asked, and described."""

import inspect
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from genai_cli.content.content import Content
from genai_cli.content.picture import Picture
from genai_cli.device.compile_decision import Times
from genai_cli.device.failures import first_line
from genai_cli.device.workload import Work
from genai_cli.errors import InputError
from genai_cli.events import Emit, Notice
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.diffusion.adapting import Adapting
from genai_cli.modality.diffusion.controlled import ControlledRequest
from genai_cli.modality.diffusion.controlling import Controlling
from genai_cli.modality.diffusion.distilled import find_distilled
from genai_cli.modality.diffusion.guidance import (
    choose_comparison,
    compares,
    explain_unused_negative_prompt,
    find_guidance,
    ignores_guidance,
)
from genai_cli.modality.diffusion.pipelines import (
    list_components,
    make_callback,
    read_default_steps,
    read_defaults,
    size_multiple,
)
from genai_cli.modality.diffusion.prompt_arguments import choose_prompts
from genai_cli.modality.diffusion.prompt_encoding import remember_encodings
from genai_cli.modality.diffusion.prompts import report_cut_prompts, report_unknown_subject, report_unknown_words
from genai_cli.modality.diffusion.scheduler_choice import choose_scheduler, choose_spacing
from genai_cli.modality.diffusion.schedulers import FAST_STEPS, describe_scheduler, name_scheduler, read_own_scheduler
from genai_cli.modality.diffusion.vae_decoding import finite_decoding
from genai_cli.modality.diffusion.ways import EDITS_PICTURES, find_way
from genai_cli.modality.modality import Modality, Result
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from diffusers import DiffusionPipeline
    from numpy.typing import NDArray

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

TILING, OFFLOAD = "vae_tiling", "cpu_offload"
# What a pipeline takes of the device's memory for each pixel, beside its weights: Stable Diffusion 1.5 in float16,
# where the decoder takes most of it.
BYTES_A_PIXEL = 12_000
MOST_AT_ONCE = 16

P = TypeVar("P", bound=ControlledRequest)


@dataclass(frozen=True)
class Painted:
    """A picture as a pipeline made it: floats from 0 to 1, of shape (height, width, 3)."""

    values: "NDArray[np.float32]"
    filtered: bool
    facts: JsonObject


class Painter(Modality[P]):
    """A pipeline of diffusers, with the scheduler it came with and its own steps and guidance."""

    content: ClassVar[type[Content]] = Picture
    work: ClassVar[Work | None] = Work.PICTURES
    libraries: ClassVar[tuple[str, ...]] = ("torch", "diffusers")
    overlaps: ClassVar[bool] = True
    previews: ClassVar[bool] = True
    # On purpose slow to compile and little to gain, before anything was seen on a machine.
    compile_times: ClassVar[Times | None] = Times(2.0, 1.6, 120.0)

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the pipeline. Raises InputError where it is not of the task's kind."""
        import diffusers

        from genai_cli.device.compiling import compile_denoiser
        from genai_cli.device.loading import load_pipeline
        from genai_cli.device.openvino_calls import OpenVinoPipeline

        pipeline_class = getattr(diffusers, files.architecture, None)
        if pipeline_class is not None and not self.takes(pipeline_class):
            words = EDITS_PICTURES if find_way(pipeline_class) else "a diffusers pipeline of another kind"
            raise files.wrong_kind(words)
        self.pipeline = load_pipeline(files, placement, files.unused & set(list_components(pipeline_class)))
        self.folder = files.folder
        self.own_scheduler = describe_scheduler(self.pipeline.scheduler, files.folder)
        self.memory: list[str] = []
        """What was done since to need less memory."""
        remember_encodings(self.pipeline)
        self.adapting = Adapting(self.pipeline, files.reference.id)
        self.controlling = Controlling(self.pipeline, placement)
        self.openvino: OpenVinoPipeline | None = None
        if placement.compiled_by_torch:
            self.compiled = compile_denoiser(self.pipeline, placement.on_cuda)
        elif placement.compile:
            self.compiled = self.openvino = OpenVinoPipeline(self.pipeline, files)

    @classmethod
    @abstractmethod
    def takes(cls, pipeline_class: "type[DiffusionPipeline]") -> bool:
        """Whether the task can be done with pipelines of the class."""

    @classmethod
    def check(cls, folder: Path, request: P) -> None:
        """Raise InputError for a size that the model cannot make, or a scheduler that it cannot take."""
        stated = read_optional_json(folder / "generation_config.json").get("num_inference_steps")
        if request.fast and not find_distilled(request.lora) and stated is not None and stated < FAST_STEPS:
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

    def choose_batch_size(self, request: P, device: str, free_bytes: int) -> int:
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

    @property
    def own_side(self) -> int:
        """The side in pixels of the square that the model makes where no size is named (guessed where unknown)."""
        model = getattr(self.pipeline, "unet", None) or getattr(self.pipeline, "transformer", None)
        stated = getattr(model, "config", {}).get("sample_size")
        own = getattr(self.pipeline, "default_sample_size", None) or (stated if isinstance(stated, int) else 64)
        return int(own) * int(getattr(self.pipeline, "vae_scale_factor", 8))

    @property
    def size_multiple(self) -> int:
        """What width and height must be a multiple of."""
        return size_multiple(self.folder)

    def count_pixels(self, request: P) -> int:
        """The pixels of a picture, at the model's own size where the request names none."""
        return (request.width or self.own_side) * (request.height or self.own_side)

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

    def paint(
        self,
        pipeline: "DiffusionPipeline",
        requests: Sequence[P],
        arguments: JsonObject,
        facts: JsonObject,
        emit: Emit,
    ) -> list[Painted]:
        """Run a pipeline for requests that share its arguments; each has a generator of its own, seeded on the CPU.

        Raises InputError for what the pipeline refuses.
        """
        import torch

        generators = [torch.Generator("cpu").manual_seed(request.seed) for request in requests]
        self.adapting.take(requests[0].lora, requests[0].embedding, emit)
        report_fast(requests[0], emit)
        prompts = choose_prompts(pipeline, requests, emit)
        if self.openvino is not None:
            self.openvino.begin("a LoRA changes its weights" if requests[0].lora else None, emit)
        try:
            with finite_decoding(pipeline) as repaired:
                output = pipeline(generator=generators, output_type="np", **(arguments | prompts))
        except ValueError as error:
            raise InputError(f"the pipeline refused: {first_line(error)}") from error
        flags = getattr(output, "nsfw_content_detected", None) or [False] * len(requests)
        return [
            Painted(values, bool(flagged), facts | ({"vae_dtype": "float32"} if place in repaired else {}))
            for place, (values, flagged) in enumerate(zip(output.images, flags, strict=True))
        ]

    def place_scheduler(self, pipeline: "DiffusionPipeline", request: P, steps: int | None, emit: Emit) -> JsonObject:
        """Give a pipeline a new scheduler; a record's facts hold its noise spacing if that is not the checkpoint's."""
        pipeline.scheduler, spacing = choose_scheduler(self.own_scheduler, request.scheduler, steps)
        if not spacing:
            return {}
        because = f"the model's own are too far apart at {steps} steps"
        emit(Notice(f"the scheduler {request.scheduler} takes {spacing} noise levels: {because}", once=True))
        return {"noise_spacing": spacing}

    def report_unread(self, request: P, emit: Emit) -> None:
        """Say what of a request's prompts the model does not read or know."""
        if not request.weights:  # which reads any length
            report_cut_prompts(self.pipeline, request.prompt, request.negative_prompt, emit)
        report_unknown_words(self.pipeline, request.prompt, request.negative_prompt, emit)
        advice = f"-m {request.default_model} draws anything"
        report_unknown_subject(self.folder, request.prompt, advice, emit)

    def choose_arguments(
        self, pipeline: "DiffusionPipeline", request: P, given: Mapping[str, object], items: int, emit: Emit
    ) -> JsonObject:
        """A pipeline's arguments that so many requests share: its defaults, the request's options, and what is given.

        Raises InputError for options that it does not take.
        """
        taken = inspect.signature(pipeline.__call__).parameters
        values = {
            "negative_prompt": request.negative_prompt or None,
            "num_inference_steps": request.num_inference_steps,
            "guidance_scale": request.guidance_scale,
            **given,
        }
        defaults = read_defaults(type(pipeline), self.folder)
        arguments = defaults | {name: value for name, value in values.items() if value is not None}
        if compares(pipeline):
            arguments = choose_comparison(pipeline, arguments.pop("guidance_scale", None), items) | arguments
        refused = sorted(set(arguments) - set(taken))
        if refused:
            raise InputError(f"{type(pipeline).__name__} takes no {' and no '.join(refused)}")
        if "callback_on_step_end" in taken:
            steps = int((arguments.get("num_inference_steps") or 1) * float(arguments.get("strength", 1)))
            arguments["callback_on_step_end"] = make_callback(max(1, steps), items, emit, request.preview)
        return arguments

    def find_used(self, pipeline: "DiffusionPipeline", request: P, arguments: JsonObject, emit: Emit) -> JsonObject:
        """The steps, guidance and negative prompt that shaped the pictures; what was asked for in vain is said."""
        used = {name: arguments.get(name) for name in ("num_inference_steps", "negative_prompt")}
        used["guidance_scale"] = find_guidance(arguments)
        reason = explain_unused_negative_prompt(pipeline, arguments) if request.negative_prompt else None
        if reason:
            used["negative_prompt"] = None
            emit(Notice(f"the negative prompt has no effect: {reason}", once=True))
        if ignores_guidance(pipeline):
            used["guidance_scale"] = None
            if request.guidance_scale is not None:
                emit(Notice("--guidance has no effect: this model takes none", once=True))
        return used | ({"control_scale": request.find_scales()} if request.control else {})

    def describe(self, request: P, picture: Picture, used: JsonObject, facts: JsonObject) -> Result:
        """The picture with the options that shaped it, defaults filled in, and with what was done for it.

        `used` holds what shaped all pictures of the group.
        """
        negative_prompt = request.negative_prompt if used["negative_prompt"] else ""
        parameters: JsonObject = replace(request, **{**used, "negative_prompt": negative_prompt}).parameters()
        parameters["scheduler"] = request.scheduler or name_scheduler(self.pipeline.scheduler)
        parameters["safety"] = getattr(self.pipeline, "safety_checker", None) is not None
        return Result(picture, parameters, {**facts, "memory": list(self.memory)} if self.memory else facts)


def report_fast(request: ControlledRequest, emit: Emit) -> None:
    """Say what `--fast` stands for where a LoRA for few steps decides it."""
    if request.fast and (found := find_distilled(request.lora)):
        kind = f"{found.kind.words}, as its card says" if found.by_card else found.kind.words
        values = (
            f"scheduler {request.scheduler}, {request.num_inference_steps} steps, guidance {request.guidance_scale:g}"
        )
        emit(Notice(f"--fast with {found.name} ({kind}): {values}", once=True))
