"""Short names for the schedulers (samplers) of diffusers.

Names and classes: https://huggingface.co/docs/diffusers/api/schedulers/overview
"""

import functools
from pathlib import Path
from typing import Any

from genai_cli.errors import InputError, nearest
from genai_cli.modality.request import read_optional_json

# Each short name: the class in diffusers, and what it is set to beyond the checkpoint's own configuration.
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
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
}
# What --fast takes: good pictures in 20 evaluations, where PNDM takes 50. Source: https://arxiv.org/abs/2211.01095
FAST_SCHEDULER, FAST_STEPS = "dpm++2m-karras", 20


def check_scheduler_name(name: str) -> None:
    """Refuse a name that is no scheduler's, before torch loads."""
    if name not in SCHEDULERS:
        hint = nearest(name, list(SCHEDULERS)) or f"one of {', '.join(SCHEDULERS)}"
        raise InputError(f"unknown scheduler {name!r}", hint=hint)


def select_scheduler(own: Any, name: str | None) -> Any:
    """The scheduler of that short name, configured as the checkpoint's `own`; fresh in any case, since it keeps state.

    Raises InputError, listing what fits, where it cannot stand in for `own`.
    """
    if name is None:
        return from_first(type(own).from_config(own.config))
    import diffusers

    check_fits(type(own), name)
    class_name, changes = SCHEDULERS[name]
    return from_first(getattr(diffusers, class_name).from_config(own.config, **changes))


def from_first(scheduler: Any) -> Any:
    """The scheduler, beginning at the first of its timesteps.

    It finds its place by the timestep's number, and begins at the second where the first two are the same: Karras'
    noise levels round to that where a model's own are steep at their end.
    """
    if hasattr(scheduler, "set_begin_index"):
        set_timesteps = scheduler.set_timesteps

        @functools.wraps(set_timesteps)
        def set_and_begin(*arguments: Any, **options: Any) -> None:
            set_timesteps(*arguments, **options)
            scheduler.set_begin_index(0)

        scheduler.set_timesteps = set_and_begin
    return scheduler


def check_checkpoint_takes(folder: Path, name: str) -> None:
    """The same refusal before the weights load, told from the checkpoint's own scheduler."""
    import diffusers

    own = getattr(
        diffusers, str(read_optional_json(folder / "scheduler" / "scheduler_config.json").get("_class_name")), None
    )
    if own is not None:
        check_fits(own, name)


def check_fits(own: Any, name: str) -> None:
    """Raise InputError, listing what fits, where the scheduler of that name cannot stand in for the class `own`."""
    fitting = {compatible.__name__ for compatible in own._get_compatibles()} | {own.__name__}
    if "DDIMScheduler" in fitting:
        fitting.add("LCMScheduler")  # the same noise schedule; the library's own list of compatibles leaves it out
    if SCHEDULERS[name][0] not in fitting:
        accepted = [short for short, (of_class, _) in SCHEDULERS.items() if of_class in fitting]
        hint = f"it takes {', '.join(accepted)}" if accepted else "it runs with its own scheduler only"
        raise InputError(f"this model's pipeline cannot take the scheduler {name}", hint=hint)
