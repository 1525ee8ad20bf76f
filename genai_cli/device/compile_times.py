"""How long compiling took and what it saved on this machine, kept in the user's cache folder for the next decision."""

from dataclasses import asdict, fields, replace
from pathlib import Path
from statistics import median

from genai_cli.device.compile_decision import Times
from genai_cli.device.compilers import TORCH
from genai_cli.device.kept_figures import find_figures_file, keep_figure, read_figures
from genai_cli.device.kept_weights import find_version


def find_times_file() -> Path:
    """`compile-times.json` in the user's cache folder."""
    return find_figures_file("compile-times.json")


def build_times_key(task: str, pace: str, model: str, device: str, compiler: str = TORCH) -> str:
    """What times belong to: a task with its size and steps in words, a model, the card, and the compiler's version."""
    import torch

    card = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    key = f"{task} | {pace} | {model} | {card} | torch {torch.__version__}"
    return key if compiler == TORCH else f"{key} | {compiler} {find_version(compiler)}"


def read_times(key: str) -> Times:
    """The times kept under a key; a value that is not a number counts as not known."""
    kept = read_figures(find_times_file()).get(key)
    known = kept if isinstance(kept, dict) else {}
    names = (field.name for field in fields(Times))
    return Times(**{name: known[name] for name in names if isinstance(known.get(name), int | float)})


def keep_times(key: str, times: Times) -> None:
    """Keep times under a key. Where the folder cannot be written, they are not kept."""
    keep_figure(find_times_file(), key, asdict(times))


class Lesson:
    """Keeps how long the items of a loaded model took; the first counts apart, since it warms up or compiles."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.seconds: list[float] = []

    def take(self, seconds: float, compiled: bool) -> None:
        """Add the time of one item."""
        self.seconds.append(seconds)
        if len(self.seconds) < 2:
            return
        usual = median(self.seconds[1:])
        known = read_times(self.key)
        if compiled:
            known = replace(known, compiled=usual, compiling=max(self.seconds[0] - usual, 0.0))
        else:
            known = replace(known, eager=usual)
        keep_times(self.key, known)
