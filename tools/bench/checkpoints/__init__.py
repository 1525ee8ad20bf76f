"""Full-size checkpoints with random weights in the real layouts: right for speed, and no use for anything else."""

import subprocess
import sys
from pathlib import Path

NAMES = ("sd15", "gpt2", "sst2", "musicgen")
# Part of the cache's path: raised when a checkpoint is built in another way.
LAYOUT = "1"


def built(cache: Path, name: str) -> Path:
    """The folder of a checkpoint, built first where it is not there yet, in a process of its own.

    A child counts the memory of the process that started it as its own peak, so torch stays out of this one. What the
    libraries say while it is built is shown where it fails: raises RuntimeError.
    """
    folder = cache / LAYOUT / name
    if not folder.is_dir():
        print(f"building {folder} (random weights, once)", file=sys.stderr, flush=True)
        build = [sys.executable, "-m", "tools.bench.checkpoints", name, str(folder)]
        done = subprocess.run(build, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name} was not built:\n{done.stderr}")
    return folder
