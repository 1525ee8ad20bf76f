"""Whether a scheduler works with a model at a number of steps: tried without the model, before its weights load."""

import functools
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING

from genai_cli.errors import InputError
from genai_cli.modality.diffusion.schedulers import SCHEDULERS, OwnScheduler, list_settings

if TYPE_CHECKING:
    from diffusers import SchedulerMixin
    from torch import Tensor

# How far apart noise levels are, the checkpoint's own way first.
SPACINGS: dict[str | None, dict[str, bool]] = {
    None: {},
    "karras": {"use_karras_sigmas": True},
    "exponential": {"use_exponential_sigmas": True},
}
# Settings without which the model is given noise that it was not trained for.
ESSENTIAL = ("rescale_betas_zero_snr", "use_flow_sigmas")
# A scheduler that works keeps the deviation of 1 at about 1, or below it at few steps. The built-in model draws the
# right picture up to 1.25, and the wrong one from 1.8.
MOST_GAIN = 1.5
# From so many steps on, a scheduler that keeps less spends its steps where all is noise: with the built-in model,
# dpm++2m-karras makes an orange circle of a red one at 5 steps and keeps 0.21. The others keep 0.45 to 0.7 there.
LEAST_GAIN = {4: 0.35, 5: 0.42, 6: 0.5}
USUAL_STEPS = 100  # up to here a number of steps that works is looked for


def choose_scheduler(own: OwnScheduler, name: str | None, steps: int | None) -> tuple["SchedulerMixin", str | None]:
    """A new scheduler with the short name, or a copy of `own`, and the noise spacing if that is not the checkpoint's.

    Raises InputError as `choose_spacing` does.
    """
    if name is None:
        return own.copy(), None
    spacing = choose_spacing(own, name, steps)
    return own.build(name, SPACINGS[spacing]), spacing


def choose_spacing(own: OwnScheduler, name: str, steps: int | None) -> str | None:
    """The noise spacing with which the scheduler takes the place of `own`; None for the checkpoint's.

    Raises InputError with what fits if it cannot replace `own`, or fails at so many steps.
    """
    if not fits(own, name):
        accepted = [other for other in SCHEDULERS if fits(own, other)]
        hint = f"it takes {', '.join(accepted)}" if accepted else "it runs with its own scheduler only"
        raise InputError(f"this model's pipeline cannot take the scheduler {name}", hint=hint)
    if steps is None:
        return None
    does_work, spacing = find_spacing(own, name, steps)
    if not does_work:
        raise explain_failure(own, name, steps)
    return spacing


def fits(own: OwnScheduler, name: str) -> bool:
    """Whether the scheduler called `name` can replace `own` in its pipeline, with the noise of the model."""
    import diffusers

    fitting = {compatible.__name__ for compatible in own.scheduler.compatibles} | {type(own.scheduler).__name__}
    if "DDIMScheduler" in fitting:
        fitting.add("LCMScheduler")  # it has the same noise schedule, but is missing from the library's compatibles
    class_name = SCHEDULERS[name][0]
    taken = list_settings(getattr(diffusers, class_name))
    return class_name in fitting and all(key in taken or not own.scheduler.config.get(key) for key in ESSENTIAL)


def list_spacings(name: str) -> dict[str | None, dict[str, bool]]:
    """The ways to space noise levels that a scheduler has; one that has its own way by its name has that alone."""
    import diffusers

    class_name, own_changes = SCHEDULERS[name]
    if own_changes:
        return {None: {}}
    taken = list_settings(getattr(diffusers, class_name))
    return {spacing: changes for spacing, changes in SPACINGS.items() if set(changes) <= taken}


def explain_failure(own: OwnScheduler, name: str, steps: int) -> InputError:
    """The error for a scheduler that fails at so many steps: the nearest number that works, and what else works."""
    nearest = next((number for number in list_other_steps(steps) if find_spacing(own, name, number)[0]), None)
    others = [other for other in SCHEDULERS if other != name and fits(own, other)]
    working = [other for other in others if find_spacing(own, other, steps)[0]]
    hints = [f"--steps {nearest}"] if nearest else []
    hints += [f"another --scheduler: {', '.join(working)}"] if working else []
    return InputError(
        f"the scheduler {name} does not work with this model at {steps} step{'s' * (steps != 1)}",
        hint=f"try {', or '.join(hints)}" if hints else "leave --scheduler out",
    )


def list_other_steps(steps: int) -> list[int]:
    """Numbers of steps to try instead: usual ones and those beside this one, more steps before fewer."""
    numbers = {*range(1, USUAL_STEPS + 1), max(1, steps - 1), steps + 1} - {steps}
    return sorted(numbers, key=lambda number: (number < steps, abs(number - steps)))


@functools.lru_cache(maxsize=1024)
def find_spacing(own: OwnScheduler, name: str, steps: int) -> tuple[bool, str | None]:
    """Whether a scheduler works at so many steps, and the first of its noise spacings with which it does.

    It is tried once: a batch asks this twice for each picture, and a try takes up to 50 ms.
    """
    for spacing, changes in list_spacings(name).items():
        if works(own.build(name, changes), steps):
            return True, spacing
    return False, None


def works(scheduler: "SchedulerMixin", steps: int) -> bool:
    """Whether the scheduler turns noise into what the noise was added to, if a perfect model tells it.

    The data are normally distributed with a deviation of 1, so that the perfect answer is known. A scheduler that fails
    raises an error, or gives NaN or values that are much too large or too small.
    """
    try:
        least = LEAST_GAIN.get(min(steps, max(LEAST_GAIN)), 0)
        return least <= measure_gain(scheduler, steps) <= MOST_GAIN  # which NaN is not
    except Exception:
        return False  # whatever the library raises: its classes check little, and say so in many ways


def measure_gain(scheduler: "SchedulerMixin", steps: int) -> float:
    """The deviation of what the scheduler makes of noise; 1 where it is perfect."""
    import torch

    generator = torch.Generator("cpu").manual_seed(0)
    seeded = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    scheduler.set_timesteps(steps)
    sample = torch.randn(1, 3, 16, 16, generator=generator) * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        seen = scheduler.scale_model_input(sample, timestep)
        answer = answer_perfectly(scheduler, seen, float(timestep))
        sample = scheduler.step(answer, timestep, sample, **seeded, return_dict=False)[0]
    return float(sample.std())


def answer_perfectly(scheduler: "SchedulerMixin", seen: "Tensor", timestep: float) -> "Tensor":
    """What a perfect model predicts for normally distributed data of deviation 1."""
    config: Mapping[str, object] = scheduler.config
    kind = config.get("prediction_type", "epsilon")
    if kind == "flow_prediction":
        noise = timestep / float(str(config["num_train_timesteps"]))
        return seen * (2 * noise - 1) / ((1 - noise) ** 2 + noise**2)
    kept = scheduler.alphas_cumprod[min(max(round(timestep), 0), len(scheduler.alphas_cumprod) - 1)]
    if kind == "v_prediction":
        return seen * 0
    if kind == "sample":
        return seen * kept**0.5
    return seen * (1 - kept) ** 0.5
