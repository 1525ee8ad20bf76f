"""The command line of the recipes that train on a data folder."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Run = Callable[[Path, Path, Path, float, int], None]


@dataclass(frozen=True)
class Recipe:
    """A recipe's task, a one-line summary, the contents of its data folder, and its usual time in minutes."""

    task: str
    summary: str
    data_help: str
    minutes: float


def run_recipe(recipe: Recipe, load: Callable[[], Run]) -> None:
    """Read the options, then run the recipe that `load` imports, from its last checkpoint to the report."""
    parser = argparse.ArgumentParser(prog=f"python -m tools.train.{recipe.task}", description=recipe.summary)
    parser.add_argument("--data", type=Path, required=True, help=recipe.data_help)
    parser.add_argument("--out", type=Path, required=True, help="folder to export the model to")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("build/train") / recipe.task,
        help="folder for checkpoint and report; the same command resumes from it (default: %(default)s)",
    )
    parser.add_argument("--minutes", type=float, default=recipe.minutes, help="training time (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="cpu threads (default: %(default)s)")
    arguments = parser.parse_args()

    import torch

    torch.set_num_threads(arguments.threads)
    load()(arguments.data, arguments.out, arguments.work, arguments.minutes, arguments.seed)
