"""Short names for the schedulers (samplers) of diffusers.

Names and classes: https://huggingface.co/docs/diffusers/api/schedulers/overview
"""

from typing import Any

from genai_cli.errors import InputError, nearest

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
        return type(own).from_config(own.config)
    import diffusers

    class_name, changes = SCHEDULERS[name]
    fitting = {compatible.__name__ for compatible in own.compatibles} | {type(own).__name__}
    if "DDIMScheduler" in fitting:
        fitting.add("LCMScheduler")  # the same noise schedule; the library's own list of compatibles leaves it out
    if class_name not in fitting:
        accepted = [short for short, (of_class, _) in SCHEDULERS.items() if of_class in fitting]
        hint = f"it takes {', '.join(accepted)}" if accepted else "it runs with its own scheduler only"
        raise InputError(f"this model's pipeline cannot take the scheduler {name}", hint=hint)
    return getattr(diffusers, class_name).from_config(own.config, **changes)
