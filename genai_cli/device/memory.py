"""Out of memory: how it differs from other failures, and how memory is given back."""

import gc
import re

# What libraries say that raise no class of their own: a processor's allocator, Apple's, cuBLAS, and oneDNN, which gives
# no other reason when an allocation fails.
PHRASES = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "could not create a primitive",
    "could not create a memory",
)


def describe_shortage(error: BaseException) -> str | None:
    """Which allocation failed, with its size where the library states it; None for a failure of another kind."""
    import torch

    text = (str(error).strip() or "no message").splitlines()[0]
    is_one = isinstance(error, torch.OutOfMemoryError | MemoryError)
    if not is_one and not (isinstance(error, RuntimeError) and any(phrase in text for phrase in PHRASES)):
        return None
    asked = re.search(r"you tried to allocate (\d+) bytes", text)
    return f"{int(asked[1]) / 1e6:.0f} MB could not be allocated" if asked else text


def give_back_memory() -> None:
    """Return memory that no object uses. Call it outside of `except`: a handled exception keeps its frames' tensors."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def read_available_memory(device: str) -> tuple[int, int]:
    """The bytes that are free on a device (`auto`: the best of this machine), and all that it has."""
    import torch

    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        free, total = torch.cuda.mem_get_info(None if device == "auto" else device)
        return int(free), int(total)
    import psutil

    memory = psutil.virtual_memory()
    return int(memory.available), int(memory.total)
