"""The header of a safetensors file, read without any library: the names, dtypes and shapes of its tensors.

Format: https://huggingface.co/docs/safetensors/index#format
"""

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from genai_cli.errors import RefusedError
from genai_cli.hub.storage import DamagedError, refuse_pointer

SUFFIX = ".safetensors"
LARGEST_HEADER = 100_000_000  # bytes; the library's own limit
# The beginnings of files that are not safetensors: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md for GGUF;
# a pickle of protocol 2 and later, and torch's archive of pickles.
GGUF = b"GGUF"
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


@dataclass(frozen=True)
class Tensor:
    """What a header says of a tensor."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of its values."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """The tensors of a file by name, and the texts that whoever wrote it added."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    data_start: int
    """Where the values begin, in bytes."""

    def has(self, *prefixes: str) -> bool:
        """Whether a tensor's name begins with one of the prefixes."""
        return any(name.startswith(prefixes) for name in self.tensors)

    def holds(self, *parts: str) -> bool:
        """Whether a tensor's name contains one of the parts."""
        return any(part in name for name in self.tensors for part in parts)

    def find_dtype(self) -> str:
        """The dtype of most of its values: `F16`."""
        sizes: dict[str, int] = {}
        for tensor in self.tensors.values():
            sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.size
        return max(sizes, key=lambda dtype: sizes[dtype], default="")


def read_header(file: Path) -> Header:
    """The header of a safetensors file. Raises RefusedError for a pickle, DamagedError for what is not whole."""
    try:
        status = file.stat()
    except OSError as error:
        raise DamagedError(f"{file} cannot be read: {error.strerror or error}") from None
    return read_known_header(file, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def read_known_header(file: Path, size: int, modified: int) -> Header:
    """The header of a file of that size and time of change, which tell one content from the next."""
    del modified
    refuse_pointer(file.parent, file.name)
    try:
        with file.open("rb") as stream:
            begin = stream.read(8)
            refuse_other_formats(file, begin)
            length = int.from_bytes(begin, "little")
            if len(begin) < 8 or not 2 <= length <= min(LARGEST_HEADER, size - 8):
                raise DamagedError(
                    f"{file} is not a safetensors file, or it is cut off",
                    hint="a model is a folder, a .safetensors file, an alias, or owner/name from the hub",
                )
            stated = json.loads(stream.read(length))
        metadata = stated.pop("__metadata__", None) or {}
        ends = [int(value["data_offsets"][1]) for value in stated.values()]
        tensors = {name: Tensor(str(value["dtype"]), tuple(map(int, value["shape"]))) for name, value in stated.items()}
    except OSError as error:
        raise DamagedError(f"{file} cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise DamagedError(f"{file} is broken: its header is not that of a safetensors file") from None
    if max(ends, default=0) != size - 8 - length:
        raise DamagedError(f"{file} is cut off, or was changed", hint="copy or download it again")
    texts = {str(name): str(value) for name, value in metadata.items()} if isinstance(metadata, dict) else {}
    return Header(tensors, texts, 8 + length)


def refuse_other_formats(file: Path, begin: bytes) -> None:
    """Raise for a GGUF and for pickles, by a file's first bytes or its name."""
    if begin.startswith(GGUF):
        raise RefusedError(
            f"{file} is a GGUF, which holds weights in few bits for other programs",
            hint="genai loads safetensors; the same model's .safetensors works",
        )
    if begin.startswith(PICKLES) or (file.suffix.lower() in (".ckpt", ".pt", ".pth", ".bin", ".pkl")):
        raise RefusedError(
            f"{file} is a pickle, which can run code when it is read; genai loads safetensors only",
            hint="most models have a .safetensors beside it",
        )
