"""When compiling a model pays: a pure function of the device, the work and what was learnt from earlier runs."""

from dataclasses import dataclass

PAYS = 2.0  # compile where the time it saves is more than so many times the time it takes
# A compiled pipeline holds copies of its weights in another memory format beside what its graphs take.
ROOM = 2.0  # times the weights


@dataclass(frozen=True)
class Times:
    """Seconds that earlier runs on this machine took: an item eager, an item compiled, compiling. None: not seen."""

    eager: float | None = None
    compiled: float | None = None
    compiling: float | None = None


# Before anything was seen on a machine: on purpose slow to compile and little to gain.
FIRST_ESTIMATES = {"image": Times(2.0, 1.6, 120.0), "text": Times(4.0, 3.0, 60.0)}


@dataclass(frozen=True)
class Situation:
    """What a decision rests on. Memory in bytes (None: not known); `asked` is --compile, --no-compile or neither."""

    task: str
    device: str
    items: int
    weights: int
    free_memory: int | None
    times: Times = Times()
    asked: bool | None = None


@dataclass(frozen=True)
class Decision:
    """Whether to compile, and why."""

    compile: bool
    reason: str


def decide(situation: Situation) -> Decision:
    """Compile only where it was asked for, or on cuda where the time saved is worth twice the time it takes."""
    if situation.task not in FIRST_ESTIMATES:
        return Decision(False, f"{situation.task} is never compiled")
    if situation.asked is not None:
        return Decision(situation.asked, "asked for")
    if not situation.device.startswith("cuda"):
        return Decision(False, f"it saves nothing on {situation.device}")
    if situation.free_memory is not None and situation.free_memory < ROOM * situation.weights:
        return Decision(False, "too little memory is free")
    times = estimate(situation.times, FIRST_ESTIMATES[situation.task])
    saved = situation.items * (times.eager - times.compiled)
    worth = saved > PAYS * times.compiling
    figures = f"{situation.items} items would save {max(saved, 0):.0f} s, compiling takes {times.compiling:.0f} s"
    return Decision(worth, figures)


@dataclass(frozen=True)
class Estimate:
    """Times without gaps."""

    eager: float
    compiled: float
    compiling: float


def estimate(seen: Times, first: Times) -> Estimate:
    """What was seen; where it was not, the first estimate, in proportion to what was."""
    ratio = (first.compiled or 0) / (first.eager or 1)
    eager = seen.eager or (seen.compiled / ratio if seen.compiled else first.eager) or 0
    return Estimate(eager, seen.compiled or eager * ratio, seen.compiling or first.compiling or 0)
