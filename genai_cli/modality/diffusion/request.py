"""What every picture that a diffusion model makes can be asked with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Self

from genai_cli.errors import InputError
from genai_cli.modality.diffusion.schedulers import FAST_SCHEDULER, FAST_STEPS, SCHEDULERS
from genai_cli.request.option import Option
from genai_cli.request.request import ModelNeeds, PromptRequest

MAX_SIDE = 16384  # pixels; no model here was trained past it, and a single picture takes gigabytes
SAFETY_COMPONENTS = frozenset({"safety_checker"})


def parse_size(size: str) -> tuple[int, int]:
    """`WxH` as width and height in pixels. Raises InputError."""
    width, separator, height = size.lower().partition("x")
    if not (separator and width.strip().isdecimal() and height.strip().isdecimal()):
        raise InputError(f"--size must be WIDTHxHEIGHT in pixels, such as 512x768, not {size!r}")
    return int(width), int(height)


@dataclass(frozen=True, kw_only=True)
class DiffusionRequest(PromptRequest):
    """One picture. Width and height are in pixels; `fast` stands for a scheduler and steps where none are named."""

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
            help="20 steps of dpm++2m-karras, or what a LoRA for few steps needs; --steps, --scheduler change it.",
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
        return request.take_fast() if request.fast else request

    def take_fast(self) -> Self:
        """The request with what `fast` stands for, where it says nothing else."""
        steps = self.num_inference_steps or FAST_STEPS
        return replace(self, scheduler=self.scheduler or FAST_SCHEDULER, num_inference_steps=steps)

    def needs(self) -> ModelNeeds:
        return super().needs()._replace(unused=frozenset() if self.safety else SAFETY_COMPONENTS)

    def batch_key(self) -> tuple[object, ...]:
        size = (self.width, self.height)
        # No negative prompt and an empty one are two things to some pipelines.
        return (self.num_inference_steps, self.guidance_scale, size, self.scheduler, bool(self.negative_prompt))

    def pace(self) -> str:
        width, height, steps = (value or "default" for value in (self.width, self.height, self.num_inference_steps))
        return f"{width}x{height}, {steps} steps of {self.scheduler or 'default'}"
