"""Full-size checkpoints with random weights in the real layouts. They are useful only to measure speed; hearing has
real ones."""

import subprocess
import sys
from pathlib import Path

NAMES = ("sd15", "gpt2", "sst2", "musicgen", "hearing")
# Part of the cache's path. Raise it when a checkpoint is built in another way.
LAYOUT = "2"


def built(cache: Path, name: str) -> Path:
    """The folder of a checkpoint. If it does not exist yet, a separate process builds it.

    A child counts the memory of the process that started it as its own peak, so this process does not load torch.
    Raises RuntimeError with the output of the libraries if the build fails.
    """
    folder = cache / LAYOUT / name
    if not folder.is_dir():
        print(f"building {folder} (once)", file=sys.stderr, flush=True)
        build = [sys.executable, "-m", "tools.bench.checkpoints", name, str(folder)]
        done = subprocess.run(build, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name} was not built:\n{done.stderr}")
    return folder
