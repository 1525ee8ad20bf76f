"""Out of memory: how it is told from other failures, and how memory is given back."""

import gc
import re

# How the libraries say it where they have no class for it: a processor's allocator, Apple's, cuBLAS; and oneDNN, which
# says no more than this when it gets no memory.
PHRASES = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "could not create a primitive",
    "could not create a memory",
)


def memory_shortage(error: BaseException) -> str | None:
    """What a library says of the memory that it did not get, with the sizes; None for any other failure."""
    import torch

    text = (str(error).strip() or "no message").splitlines()[0]
    is_one = isinstance(error, torch.OutOfMemoryError | MemoryError)
    if not is_one and not (isinstance(error, RuntimeError) and any(phrase in text for phrase in PHRASES)):
        return None
    asked = re.search(r"you tried to allocate (\d+) bytes", text)
    return f"{int(asked[1]) / 1e6:.0f} MB more were not to be had" if asked else text


def give_back_memory() -> None:
    """Return what nobody holds any more; call it where no exception is being handled, whose frames hold tensors."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
