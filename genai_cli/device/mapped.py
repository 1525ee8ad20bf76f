"""Memory of weights that were read from a mapped file (mmap), as safetensors does: giving it back early.

The pages read from a mapped file count as memory of the process until the mapping is closed, which is when the last
tensor of the file is freed. torch does not say whether a tensor lies in a mapped file, but Linux does. On other systems
nothing is given back early.
"""

import ctypes
import mmap
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

MAPPINGS = Path("/proc/self/maps")  # https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html
AT_ONCE = 32_000_000  # bytes; asking Linux takes a millisecond, as long as reading 4 MB of weights


class SpentWeights:
    """Contiguous tensors that were read and are not needed again; their memory is given back in portions."""

    def __init__(self) -> None:
        self.tensors: list[torch.Tensor] = []

    def add(self, tensor: "torch.Tensor") -> None:
        """Note a tensor, and give back all noted ones when they reach AT_ONCE bytes."""
        self.tensors.append(tensor)
        if sum(noted.nbytes for noted in self.tensors) >= AT_ONCE:
            self.give_back()

    def give_back(self) -> None:
        """Give back the memory of the tensors that lie in a mapped file, and forget all tensors.

        Such a tensor keeps its values: reading it again reads the file again, which the mapping keeps open. Only what
        this process itself wrote there would be lost. Any other memory would be lost, so it is not touched.
        """
        # Read each time, while the tensors exist: ordinary memory may take the place of a closed mapping.
        mappings = find_private_mappings()
        for tensor in self.tensors:
            start, end = find_whole_pages(tensor)
            if start < end and any(first <= start and end <= last for first, last in mappings):
                # If this fails, the memory stays in use, and nothing else is wrong.
                ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)
        self.tensors.clear()


def give_back_weights(module: "nn.Module") -> None:
    """Give back the memory of weights that lie in a mapped file, from which they are read again where need be."""
    spent = SpentWeights()
    for parameter in module.parameters():
        spent.add(parameter)
    spent.give_back()


def find_whole_pages(tensor: "torch.Tensor") -> tuple[int, int]:
    """The addresses of a tensor on the cpu without the pages at both ends, which it shares; (0, 0) for any other."""
    if tensor.device.type != "cpu" or not tensor.is_contiguous():
        return 0, 0
    first, last = tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes
    return -(-first // mmap.PAGESIZE) * mmap.PAGESIZE, last // mmap.PAGESIZE * mmap.PAGESIZE


def find_private_mappings() -> list[tuple[int, int]]:
    """The addresses, from and to, of this process's private mappings of files; empty where the system does not say."""
    if sys.platform != "linux" or not MAPPINGS.is_file():
        return []
    found = []
    for line in MAPPINGS.read_text(errors="replace").splitlines():
        addresses, rights, _, _, _, *path = line.split(maxsplit=5)
        # A mapping of a device (/dev/zero) is ordinary memory with a name.
        if rights.endswith("p") and path and path[0].startswith("/") and not path[0].startswith("/dev/"):
            first, last = (int(address, 16) for address in addresses.split("-"))
            found.append((first, last))
    return found
