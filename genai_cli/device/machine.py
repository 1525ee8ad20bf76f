"""What this machine has for models, told without importing torch where no accelerator can be there."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

# Drivers of NVIDIA, of AMD, and of a GPU behind Windows' subsystem for Linux.
DRIVERS = (Path("/proc/driver/nvidia/version"), Path("/dev/kfd"), Path("/dev/dxg"))
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container
USABLE = 0.9  # of the memory; the system needs the rest


@dataclass(frozen=True)
class Machine:
    """The device that models run on by default, its memory in bytes, and the dtype that they are estimated in."""

    device: str
    memory: int
    dtype: str

    @property
    def bytes_each(self) -> int:
        """The bytes of a parameter."""
        return 4 if self.dtype == "float32" else 2

    def fits(self, memory: int) -> bool:
        """Whether a model that takes so many bytes has room."""
        return memory <= self.memory * USABLE


def has_nvidia_driver() -> bool:
    """Whether an NVIDIA driver is installed."""
    return shutil.which("nvidia-smi") is not None or DRIVERS[0].exists()


def may_have_accelerator() -> bool:
    """Whether torch may find a GPU here; only Linux can be told from outside."""
    return not sys.platform.startswith("linux") or has_nvidia_driver() or any(path.exists() for path in DRIVERS)


def describe_machine() -> Machine:
    """The best device of this machine. On a CPU dtype and memory are those of float32, even where less may do."""
    if may_have_accelerator():
        import torch

        from genai_cli.device.placement import find_devices

        best = find_devices()[0]
        if best.startswith("cuda"):
            return Machine("cuda", int(torch.cuda.get_device_properties(0).total_memory), "float16")
        if best == "mps":
            return Machine("mps", int(torch.mps.recommended_max_memory()), "float16")
    return Machine("cpu", read_main_memory(), "float32")


def read_main_memory() -> int:
    """The bytes of main memory that this process may use at most."""
    import psutil

    total = int(psutil.virtual_memory().total)
    try:
        limit = CGROUP_LIMIT.read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdecimal() else total
