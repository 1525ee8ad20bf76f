"""The command line of the recipes that train on a GPU or a CPU, in stages that can run side by side."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class StagedRecipe:
    """A recipe's task, a one-line summary, its stages in order, and its usual time in minutes."""

    task: str
    summary: str
    stages: tuple[str, ...]
    minutes: float
    on_gpu: bool = True
    """Whether a GPU can train it, and trials can end after some steps."""
    goes_on: bool = False
    """Whether it can start from an exported model."""


@dataclass(frozen=True)
class StagedOptions:
    """What the command line says."""

    data: Path
    out: Path
    work: Path
    minutes: float
    """of each stage that trains, with what it prepares"""
    stages: tuple[str, ...]
    device: str | None
    seed: int
    processes: int
    clips: int | None
    most_steps: int | None
    start: Path | None


def read_options(recipe: StagedRecipe) -> StagedOptions:
    """The options of a recipe's command."""
    parser = argparse.ArgumentParser(prog=f"python -m tools.train.{recipe.task}", description=recipe.summary)
    parser.add_argument("--data", type=Path, required=True, help="folder of novels in the public domain, .txt files")
    parser.add_argument("--out", type=Path, required=True, help="folder to export the model to")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/train") / recipe.task,
        help="folder for speech, checkpoints and report; the same command resumes from it (default: %(default)s)",
    )
    parser.add_argument("--minutes", type=float, default=recipe.minutes, help="time of a stage (default: %(default)s)")
    parser.add_argument(
        "--stages", default=",".join(recipe.stages), help="stages to run, by commas (default: %(default)s)"
    )
    if recipe.on_gpu:
        parser.add_argument("--device", choices=("cuda", "cpu"), help="default: the GPU if there is one")
        parser.add_argument("--steps", type=int, help="most steps of a stage, for trials")
    else:
        parser.set_defaults(device="cpu", steps=None)
    if recipe.goes_on:
        parser.add_argument("--start", type=Path, help="an exported model to go on from (default: from nothing)")
    else:
        parser.set_defaults(start=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="cpu threads of the training (default: %(default)s)")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="that synthesise speech (default: %(default)s)"
    )
    parser.add_argument("--clips", type=int, help="clips of speech to train on, for trials")
    found = parser.parse_args()
    stages = tuple(found.stages.split(","))
    if unknown := set(stages) - set(recipe.stages):
        parser.error(f"unknown stage {', '.join(sorted(unknown))}: the stages are {', '.join(recipe.stages)}")
    import torch

    torch.set_num_threads(found.threads)
    return StagedOptions(
        data=found.data,
        out=found.out,
        work=found.work,
        minutes=found.minutes,
        stages=stages,
        device=found.device,
        seed=found.seed,
        processes=found.processes,
        clips=found.clips,
        most_steps=found.steps,
        start=found.start,
    )


def run_staged(recipe: StagedRecipe, load: Callable[[], Callable[[StagedOptions], None]]) -> None:
    """Read the options, then run the recipe that `load` imports."""
    load()(read_options(recipe))
