"""When compiling a model pays: a pure function of the device, the work, and the times of earlier runs."""

from dataclasses import dataclass

PAYS = 2.0  # compile where the time saved is more than this many times the time that compiling takes
# A compiled pipeline holds copies of its weights in another memory format, beside the memory of its graphs.
ROOM = 2.0  # times the weights


@dataclass(frozen=True)
class Times:
    """Seconds that earlier runs on this machine took: an item eager, an item compiled, compiling. None: not known."""

    eager: float | None = None
    compiled: float | None = None
    compiling: float | None = None


@dataclass(frozen=True)
class Situation:
    """What a decision rests on. Memory in bytes (None: not known); `asked` is --compile, --no-compile or neither.

    `estimate` stands in for times that are not known yet. It is None for a task whose models are never compiled.
    """

    task: str
    device: str
    items: int
    weights: int
    free_memory: int | None
    estimate: Times | None
    times: Times = Times()
    asked: bool | None = None


@dataclass(frozen=True)
class Decision:
    """Whether to compile, and why."""

    compile: bool
    reason: str


def decide(situation: Situation) -> Decision:
    """Compile only where it was asked for, or on cuda where the time saved is worth twice the time it takes."""
    if situation.estimate is None:
        return Decision(False, f"{situation.task} is never compiled")
    if situation.asked is not None:
        return Decision(situation.asked, f"asked for{describe_times(situation.times)}")
    if not situation.device.startswith("cuda"):
        return Decision(False, f"it saves nothing on {situation.device}")
    if situation.free_memory is not None and situation.free_memory < ROOM * situation.weights:
        return Decision(False, "too little memory is free")
    times = fill_gaps(situation.times, situation.estimate)
    saved = situation.items * (times.eager - times.compiled)
    worth = saved > PAYS * times.compiling
    figures = f"{situation.items} items would save {max(saved, 0):.0f} s, compiling takes {times.compiling:.0f} s"
    return Decision(worth, figures)


def describe_times(times: Times) -> str:
    """What an earlier run took that was compiled; empty where none is known."""
    if times.compiled is None:
        return ""
    return f"; an item took {times.compiled:.1f} s before, and the first one {times.compiling or 0:.0f} s more"


@dataclass(frozen=True)
class Estimate:
    """Times without gaps."""

    eager: float
    compiled: float
    compiling: float


def fill_gaps(known: Times, estimate: Times) -> Estimate:
    """The known times; where one is missing, the estimated one, scaled by those that are known."""
    ratio = (estimate.compiled or 0) / (estimate.eager or 1)
    eager = known.eager or (known.compiled / ratio if known.compiled else estimate.eager) or 0
    return Estimate(eager, known.compiled or eager * ratio, known.compiling or estimate.compiling or 0)
