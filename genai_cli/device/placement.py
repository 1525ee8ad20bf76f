"""Where a model runs and in which dtype, and why."""

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from genai_cli.collector import collector_off
from genai_cli.device.bfloat16 import choose_dtype
from genai_cli.device.compilers import OPENVINO, TORCH
from genai_cli.device.workload import Burden
from genai_cli.errors import DeviceError, InputError
from genai_cli.request.made_in import MadeIn

if TYPE_CHECKING:
    import torch

DTYPES = ("auto", "float32", "float16", "bfloat16")
UNKNOWN = Burden()
DEVICE_PATTERN = re.compile(r"auto|cuda(:\d{1,3})?|mps|cpu")


@dataclass(frozen=True)
class Placement:
    """A device and a dtype by their torch names, with the reason for each, and how the model is changed there."""

    device: str
    dtype: str
    device_reason: str
    dtype_reason: str
    quantize: str | None = None
    compile: bool = False
    compiler: str = TORCH

    @property
    def on_cuda(self) -> bool:
        """Whether the device is a CUDA one."""
        return self.device.startswith("cuda")

    def record(self) -> dict[str, str]:
        """What the record states. Quantization is a parameter there, and whether compiling worked is known later."""
        unstated = ("quantize", "compile", "compiler")
        return {name: value for name, value in asdict(self).items() if name not in unstated}

    @property
    def compiled_by_torch(self) -> bool:
        """Whether torch's compiler is to trace the layers, which then may not be of any kind."""
        return self.compile and self.compiler == TORCH

    @property
    def compiled_by_openvino(self) -> bool:
        """Whether OpenVINO is to run the model."""
        return self.compile and self.compiler == OPENVINO

    def torch_dtype(self) -> "torch.dtype":
        """The `torch.dtype` of that name."""
        import torch

        return getattr(torch, self.dtype)


def check_names(device: str, dtype: str) -> None:
    """Refuse names that no machine has, before torch loads."""
    if not DEVICE_PATTERN.fullmatch(device):
        raise InputError(f"unknown device {device!r}", hint="one of auto, cuda, cuda:N, mps, cpu")
    if dtype not in DTYPES:
        raise InputError(f"unknown dtype {dtype!r}", hint="one of " + ", ".join(DTYPES))


def select_placement(
    device: str, dtype: str, asks_bfloat16: bool, burden: Burden = UNKNOWN, earlier: MadeIn | None = None
) -> Placement:
    """The device and dtype to use; `asks_bfloat16` says that the checkpoint names bfloat16 as its own dtype.

    What is made again takes the dtype of the `earlier` time, on a device of the same kind. Raises DeviceError where the
    device that is asked for is not available, naming those that are.
    """
    chosen, device_reason = select_device(device)
    if dtype != "auto":
        return Placement(chosen, dtype, device_reason, "asked for")
    if earlier is not None and earlier.device.partition(":")[0] == chosen.partition(":")[0]:
        return Placement(chosen, earlier.dtype, device_reason, "that of the result that is made again")
    chosen_dtype, dtype_reason = select_dtype(chosen, asks_bfloat16, burden)
    return Placement(chosen, chosen_dtype, device_reason, dtype_reason)


def select_device(device: str) -> tuple[str, str]:
    """A device's torch name and the reason: the device that is asked for, else the first of cuda, mps and cpu."""
    present = find_devices()
    if device == "auto":
        best = present[0]
        reason = {"cuda:0": "a CUDA device is available", "mps": "an Apple GPU is available"}
        return ("cuda" if best == "cuda:0" else best), reason.get(best, "neither cuda nor mps is available")
    if device not in present and not (device == "cuda" and "cuda:0" in present):
        raise DeviceError(f"device {device} is not available", hint=f"this machine has: {', '.join(present)}")
    return device, "asked for"


def find_devices() -> list[str]:
    """The torch names of the devices of this machine, the best first."""
    with collector_off():
        import torch

    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]


def read_free_memory(device: str) -> int | None:
    """The free bytes of a CUDA device; None for any other."""
    import torch

    return int(torch.cuda.mem_get_info(device)[0]) if device.startswith("cuda") else None


def select_dtype(device: str, asks_bfloat16: bool, burden: Burden = UNKNOWN) -> tuple[str, str]:
    """The dtype that suits a device and, on a processor, what the model asks of it; and the reason."""
    if device.startswith("cuda"):
        if asks_bfloat16:
            return "bfloat16", "the model's own dtype"
        return "float16", "half the memory and faster on cuda"
    if device == "mps":
        return "float16", "half the memory and faster on mps"
    return choose_dtype(burden)


def fit_hint(hint: str | None, device: str, dtype: str) -> str | None:
    """A hint of the form `try A, B or C` without what is so already, or what the device does not gain from."""
    if hint is None or not hint.startswith("try "):
        return hint
    wanted = re.split(r",? or |, ", hint.removeprefix("try "))
    pointless = {f"--dtype {dtype}", f"--device {device.partition(':')[0]}"}
    if device == "cpu":
        pointless.add("--dtype float16")
    kept = [part for part in wanted if part not in pointless]
    if len(kept) == len(wanted):
        return hint
    return "try " + " or ".join(kept or ["another seed", "another prompt"])
