"""Short names for the schedulers (samplers) of diffusers, and how one takes the place of a checkpoint's own.

Names and classes: https://huggingface.co/docs/diffusers/api/schedulers/overview
"""

import copy
import functools
import inspect
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.diffusion.pipelines import find_class

if TYPE_CHECKING:
    from diffusers import SchedulerMixin

# For each short name the class in diffusers, and settings that differ from the checkpoint's own configuration.
SCHEDULERS: dict[str, tuple[str, dict[str, bool | str]]] = {
    "pndm": ("PNDMScheduler", {}),
    "ddim": ("DDIMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "dpm++2m": ("DPMSolverMultistepScheduler", {}),
    "dpm++2m-karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "dpm++sde": ("DPMSolverSinglestepScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    # What models of few steps were distilled for: the last steps before all is noise count, not the first.
    "ddim-trailing": ("DDIMScheduler", {"timestep_spacing": "trailing"}),
    "euler-trailing": ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
}
# --fast uses these: good pictures in 20 evaluations of the model, where PNDM needs 50. Source: https://arxiv.org/abs/2211.01095
FAST_SCHEDULER, FAST_STEPS = "dpm++2m-karras", 20
# What pipelines of latent diffusion expect of any scheduler, where the checkpoint states nothing: latents are not
# bounded by 1 as pixels are, and the last step does not end without noise. Stable Diffusion's pipeline sets the first
# two itself, and the releases of Stable Diffusion state all but the last. Some schedulers have other defaults.
LATENT_SETTINGS: dict[str, bool | int] = {
    "clip_sample": False,
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "thresholding": False,
}
LATENT_COMPONENTS = ("vae", "vqvae", "movq")


@dataclass(frozen=True)
class OwnScheduler:
    """The scheduler that a checkpoint comes with. It is never run itself, since schedulers keep state.

    Two are equal if their configurations are, so that what was found out about one holds for the other.
    """

    scheduler: "SchedulerMixin" = field(compare=False)
    stated: frozenset[str]
    """The settings that the checkpoint states; the scheduler's configuration also holds its class's defaults."""
    latent: bool
    """Whether the model makes latents, not pixels."""
    configuration: str = field(init=False)
    """The scheduler's class and settings as JSON."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "configuration", self.scheduler.to_json_string())

    def copy(self) -> "SchedulerMixin":
        """A new scheduler with the same configuration."""
        return prepare(copy.deepcopy(self.scheduler))

    def build(self, name: str, changes: Mapping[str, bool]) -> "SchedulerMixin":
        """A new scheduler with the short name, configured as this one, with `changes`."""
        import diffusers

        class_name, own_changes = SCHEDULERS[name]
        scheduler_class: type[SchedulerMixin] = getattr(diffusers, class_name)
        taken = list_settings(scheduler_class)
        missing = {key: value for key, value in LATENT_SETTINGS.items() if key in taken and key not in self.stated}
        settings = {**(missing if self.latent else {}), **own_changes, **changes}
        return prepare(scheduler_class.from_config(self.scheduler.config, **settings))


def read_own_scheduler(folder: Path) -> OwnScheduler | None:
    """The checkpoint's scheduler from its configuration alone. None if it cannot be built."""
    config = read_optional_json(folder / "scheduler" / "scheduler_config.json")
    scheduler_class: type[SchedulerMixin] | None = find_class(str(config.get("_class_name")), "SchedulerMixin")
    if scheduler_class is None:
        return None
    try:
        return describe_scheduler(scheduler_class.from_config(config), folder)
    except Exception:
        return None  # loading the pipeline reports what is wrong with the configuration


def describe_scheduler(scheduler: "SchedulerMixin", folder: Path) -> OwnScheduler:
    """A checkpoint's scheduler, with what its files say of it."""
    stated = frozenset(read_optional_json(folder / "scheduler" / "scheduler_config.json") or scheduler.config)
    index = read_optional_json(folder / "model_index.json")
    latent = any(index.get(name) not in (None, [None, None]) for name in LATENT_COMPONENTS)
    return OwnScheduler(scheduler, stated, latent)


def list_settings(scheduler_class: "type[SchedulerMixin]") -> set[str]:
    """The names of the settings that a scheduler's class takes."""
    return set(inspect.signature(scheduler_class.__init__).parameters)


def name_scheduler(scheduler: "SchedulerMixin") -> str:
    """The short name of a scheduler's class, or the class's own name."""
    name = type(scheduler).__name__
    return next((short for short, (class_name, extra) in SCHEDULERS.items() if class_name == name and not extra), name)


def prepare(scheduler: "SchedulerMixin") -> "SchedulerMixin":
    """Make the scheduler start at the first of its timesteps, with noise levels that it can compute with.

    Otherwise it looks up its position by the timestep's number. It starts at the second timestep if the first two are
    the same number: Karras' noise levels round to that for a model whose own noise levels are steep at their end.
    """
    set_timesteps = scheduler.set_timesteps

    @functools.wraps(set_timesteps)
    def set_and_begin(*arguments: object, **options: object) -> None:
        set_timesteps(*arguments, **options)
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(0)
        if type(scheduler).__name__ == "EulerAncestralDiscreteScheduler" and loses_noise(scheduler):
            scheduler.sigmas = scheduler.sigmas.double()

    scheduler.set_timesteps = set_and_begin
    return scheduler


def loses_noise(scheduler: "SchedulerMixin") -> bool:
    """Whether an ancestral step is NaN in float32.

    It takes the root of the difference of two squares. Both are nearly the same if a noise level is thousands of times
    the next, and rounding can make the difference negative.
    """
    for start, end in itertools.pairwise(scheduler.sigmas):
        added = (end**2 * (start**2 - end**2) / start**2) ** 0.5
        if end**2 - added**2 < 0:
            return True
    return False
