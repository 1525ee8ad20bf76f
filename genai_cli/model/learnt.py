"""What compiling took and saved on this machine, kept in the user's cache folder for the next decision."""

import contextlib
import json
import os
from dataclasses import asdict, fields, replace
from pathlib import Path
from statistics import median
from typing import Any

from genai_cli.model.policy import Times


def times_file() -> Path:
    """`compile-times.json` in the user's cache folder."""
    from platformdirs import user_cache_path

    return user_cache_path("genai") / "compile-times.json"


def times_key(task: str, pace: str, model: str, device: str) -> str:
    """What times belong to: a task, at its size and steps in words, and a model on this card with this torch."""
    import torch

    card = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    return f"{task} | {pace} | {model} | {card} | torch {torch.__version__}"


def read_all() -> dict[str, dict[str, Any]]:
    """All that is kept; a file that is missing or broken teaches nothing."""
    try:
        kept = json.loads(times_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def read_times(key: str) -> Times:
    """What is kept under a key; what is no time counts for nothing."""
    kept = read_all().get(key)
    known = kept if isinstance(kept, dict) else {}
    names = (field.name for field in fields(Times))
    return Times(**{name: known[name] for name in names if isinstance(known.get(name), int | float)})


def keep_times(key: str, times: Times) -> None:
    """Keep times under a key, in one atomic step; a folder that cannot be written costs nothing but the lesson."""
    file = times_file()
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(json.dumps(read_all() | {key: asdict(times)}, indent=1), encoding="utf-8")
        unfinished.replace(file)


class Lesson:
    """Keeps what the items of a loaded model took; the first stands apart, since it warms up or compiles."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.seconds: list[float] = []

    def take(self, seconds: float, compiled: bool) -> None:
        """Add one item's time."""
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
