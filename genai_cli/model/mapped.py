"""Memory of weights that were read from a file by mapping it (mmap), as safetensors does: giving it back early.

What was read of a mapped file counts as the process's memory until the whole mapping goes, and that is when the last
tensor of the file goes. torch does not tell such a tensor from another, so Linux is asked; elsewhere nothing happens.
"""

import ctypes
import mmap
import sys
from pathlib import Path
from typing import Any

MAPPINGS = Path("/proc/self/maps")  # https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html
AT_ONCE = 32_000_000  # bytes; to ask Linux takes a millisecond, as long as to read 4 MB of weights


class SpentWeights:
    """Contiguous tensors that were read and are not needed again; their memory is given back some at a time."""

    def __init__(self) -> None:
        self.tensors: list[Any] = []

    def add(self, tensor: Any) -> None:
        """Note a tensor, and give back all that were noted once they are AT_ONCE bytes."""
        self.tensors.append(tensor)
        if sum(noted.nbytes for noted in self.tensors) >= AT_ONCE:
            self.give_back()

    def give_back(self) -> None:
        """Take the tensors out of memory that lie in a mapped file, and forget all.

        Such a tensor stays as it is: what is read of it again comes from the file again, which the mapping keeps open
        (only what this process itself wrote there would be lost). Any other memory would be lost, and is left alone.
        """
        # Asked anew each time, with the tensors at hand: where a mapping was, ordinary memory may be by now.
        mappings = private_mappings()
        for tensor in self.tensors:
            start, end = whole_pages(tensor)
            if start < end and any(first <= start and end <= last for first, last in mappings):
                # Where it fails, memory stays in use and nothing else is wrong.
                ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)
        self.tensors.clear()


def whole_pages(tensor: Any) -> tuple[int, int]:
    """The addresses of a tensor on the cpu without the pages at both ends, which it shares; (0, 0) for any other."""
    if tensor.device.type != "cpu" or not tensor.is_contiguous():
        return 0, 0
    first, last = tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes
    return -(-first // mmap.PAGESIZE) * mmap.PAGESIZE, last // mmap.PAGESIZE * mmap.PAGESIZE


def private_mappings() -> list[tuple[int, int]]:
    """The addresses, from and to, at which this process has files mapped for itself; none where Linux does not tell."""
    if sys.platform != "linux" or not MAPPINGS.is_file():
        return []
    found = []
    for line in MAPPINGS.read_text(errors="replace").splitlines():
        addresses, rights, _, _, _, *path = line.split(maxsplit=5)
        # What is mapped of a device (/dev/zero) is ordinary memory with a name.
        if rights.endswith("p") and path and path[0].startswith("/") and not path[0].startswith("/dev/"):
            first, last = (int(address, 16) for address in addresses.split("-"))
            found.append((first, last))
    return found
