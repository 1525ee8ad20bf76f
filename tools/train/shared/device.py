"""Where a recipe trains, and how it computes there."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import torch

Stage = Callable[[argparse.Namespace], None]


def add_training_options(parser: argparse.ArgumentParser, minutes: float) -> None:
    """The options of the recipes that train on a GPU if there is one."""
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint, model and report")
    parser.add_argument("--minutes", type=float, default=minutes, help="training time (default: %(default)s)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default=default_device(), help="(default: %(default)s)")
    parser.add_argument("--stage", choices=("train", "export", "all"), default="all", help="(default: %(default)s)")
    parser.add_argument("--processes", type=int, default=1, help="processes that draw (default: %(default)s)")
    parser.add_argument("--examples", type=int, help="how many examples to draw (default: the recipe's)")
    parser.add_argument("--batch", type=int, help="examples a step (default: the recipe's)")
    parser.add_argument("--seed", type=int, default=0)


def default_device() -> str:
    """The GPU if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def choose_device(asked: str | None) -> torch.device:
    """The device asked for, or the GPU if there is one. TF32 is allowed."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    return torch.device(asked or default_device())


def prepare(device: str) -> None:
    """Allow the faster matrix products of the device."""
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
    else:
        torch.set_num_threads(1)


def autocast(device: str) -> AbstractContextManager[None]:
    """bfloat16 where the device is a GPU, float32 elsewhere."""
    return torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda")


def bfloat16_pays() -> bool:
    """Whether this processor convolves in bfloat16 at least a quarter quicker than in float32; it is tried."""
    layer, sound = torch.nn.Conv1d(128, 256, 5), torch.randn(16, 128, 250)

    def trial(dtype: torch.dtype) -> float:
        run, given = layer.to(dtype), sound.to(dtype)
        took = []
        for _ in range(6):
            begun = time.process_time()
            run(given).sum().backward()
            took.append(time.process_time() - begun)
        return min(took)

    return trial(torch.bfloat16) < 0.8 * trial(torch.float32)


def run_stages(arguments: argparse.Namespace, learn: Stage, finish: Stage) -> None:
    """Run the stages that the command line asks for: `learn` trains, `finish` exports and measures."""
    prepare(arguments.device)
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.stage != "export":
        learn(arguments)
    if arguments.stage != "train":
        finish(arguments)
