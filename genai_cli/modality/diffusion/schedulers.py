"""Short names for the schedulers (samplers) of diffusers.

Names and classes: https://huggingface.co/docs/diffusers/api/schedulers/overview
"""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.errors import InputError
from genai_cli.modality.checkpoint import read_optional_json

if TYPE_CHECKING:
    from diffusers import SchedulerMixin

# For each short name the class in diffusers, and settings that differ from the checkpoint's own configuration.
SCHEDULERS: dict[str, tuple[str, dict[str, bool]]] = {
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
# --fast uses these: good pictures in 20 evaluations of the model, where PNDM needs 50. Source: https://arxiv.org/abs/2211.01095
FAST_SCHEDULER, FAST_STEPS = "dpm++2m-karras", 20


def select_scheduler(own: "SchedulerMixin", name: str | None) -> "SchedulerMixin":
    """A new scheduler with the short name, configured as the checkpoint's `own`. It is new since schedulers keep state.

    Raises InputError with the names that fit if it cannot replace `own`.
    """
    if name is None:
        return start_at_first_timestep(type(own).from_config(own.config))
    import diffusers

    check_fits(own, name)
    class_name, changes = SCHEDULERS[name]
    return start_at_first_timestep(getattr(diffusers, class_name).from_config(own.config, **changes))


def start_at_first_timestep(scheduler: "SchedulerMixin") -> "SchedulerMixin":
    """Make the scheduler start at the first of its timesteps, and return it.

    Otherwise it looks up its position by the timestep's number. It starts at the second timestep if the first two are
    the same number: Karras' noise levels round to that for a model whose own noise levels are steep at their end.
    """
    if hasattr(scheduler, "set_begin_index"):
        set_timesteps = scheduler.set_timesteps

        @functools.wraps(set_timesteps)
        def set_and_begin(*arguments: object, **options: object) -> None:
            set_timesteps(*arguments, **options)
            scheduler.set_begin_index(0)

        scheduler.set_timesteps = set_and_begin
    return scheduler


def check_checkpoint_takes(folder: Path, name: str) -> None:
    """Raise InputError, before the weights load, if the checkpoint's pipeline cannot use the scheduler."""
    own = build_own_scheduler(folder)
    if own is not None:
        check_fits(own, name)


def build_own_scheduler(folder: Path) -> "SchedulerMixin | None":
    """The checkpoint's scheduler from its configuration alone. None if it cannot be built."""
    import diffusers

    config = read_optional_json(folder / "scheduler" / "scheduler_config.json")
    found = getattr(diffusers, str(config.get("_class_name")), None)
    if not (isinstance(found, type) and issubclass(found, diffusers.SchedulerMixin)):
        return None
    scheduler_class: type[SchedulerMixin] = found
    try:
        return scheduler_class.from_config(config)
    except Exception:
        return None  # loading the pipeline reports what is wrong with the configuration


def check_fits(own: "SchedulerMixin", name: str) -> None:
    """Raise InputError with the names that fit if the scheduler called `name` cannot replace `own`."""
    fitting = {compatible.__name__ for compatible in own.compatibles} | {type(own).__name__}
    if "DDIMScheduler" in fitting:
        fitting.add("LCMScheduler")  # it has the same noise schedule, but is missing from the library's compatibles
    if SCHEDULERS[name][0] not in fitting:
        accepted = [short for short, (class_name, _) in SCHEDULERS.items() if class_name in fitting]
        hint = f"it takes {', '.join(accepted)}" if accepted else "it runs with its own scheduler only"
        raise InputError(f"this model's pipeline cannot take the scheduler {name}", hint=hint)
