"""How a command and a worker talk: a Unix socket in a folder that only this user can enter, and messages on it.

Both ends are processes of the same user, which is checked, so that what they send may be pickled Python objects.
"""

import functools
import hashlib
import os
import pickle
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from stat import S_IMODE, S_ISDIR
from typing import Self

from genai_cli import __version__
from genai_cli.device.threads import POLICY, SPINS
from genai_cli.errors import GenaiError
from genai_cli.work.assignment import Assignment
from genai_cli.work.job import Job

LENGTH = struct.Struct(">Q")
MOST = 2**33  # bytes of a message; more is not a message of ours
LONGEST_PATH = 100  # bytes; sockaddr_un has room for 107 on Linux and 103 on macOS
# What the libraries read from the environment: a worker serves the commands that have the same.
SHAPING: tuple[str, ...] = (
    *("HF_", "HUGGING", "TRANSFORMERS_", "DIFFUSERS_", "TORCH", "PYTORCH_", "CUDA_", "NVIDIA_", "HIP_", "ROCR_"),
    *("OMP_", "MKL_", "KMP_", "GOMP_", "LD_", "DYLD_", "PYTHON", "XDG_CACHE_HOME", "HOME", "GENAI_TRUST_ENDPOINT"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)
BY_LOAD = (POLICY, SPINS)  # which a command sets by what else runs at its start
LIBRARIES = ("torch", "transformers", "diffusers", "torchao")


class LinkError(Exception):
    """The other end is gone, or is none that can be used."""


@dataclass(frozen=True)
class Hello:
    """What a command says first: what it runs, and for how many seconds it wants models to be kept (0: as they are)."""

    fingerprint: str
    keep: float = 0


@dataclass(frozen=True)
class Welcome:
    """The worker's answer; without `serves` it runs another genai, and ends."""

    process: int
    version: str
    serves: bool = True


@dataclass(frozen=True)
class Produce:
    """Jobs to make, so many at once as a producer looks at together."""

    assignment: Assignment
    jobs: Sequence[Job]


@dataclass(frozen=True)
class Load:
    """A model to load before anything is asked of it."""

    assignment: Assignment


@dataclass(frozen=True)
class Done:
    """All jobs have an outcome, or `error` made the model unusable."""

    error: GenaiError | None = None


@dataclass(frozen=True)
class GaveUp:
    """The worker met an error of its own."""

    reason: str


@dataclass(frozen=True)
class AskStatus:
    """Asks what the worker holds."""


@dataclass(frozen=True)
class AskStop:
    """Asks the worker to end."""


@dataclass(frozen=True)
class KeptModel:
    """A model that a worker holds; times are seconds since 1970."""

    task: str
    model: str
    device: str
    dtype: str
    loaded: float
    last_used: float
    in_use: bool


@dataclass(frozen=True)
class Status:
    """What a worker holds; memory is in bytes, times are seconds since 1970. It ends at `ends` if nothing comes."""

    process: int
    version: str
    started: float
    ends: float
    memory: int
    commands: int
    models: tuple[KeptModel, ...]


class Link:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        """Raises LinkError if the other end belongs to another user."""
        self.socket = connection
        if not is_own(connection):
            connection.close()
            raise LinkError("the other end belongs to another user")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def send(self, message: object) -> None:
        """Send an object. Raises LinkError."""
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        try:
            self.socket.sendall(LENGTH.pack(len(data)) + data)
        except OSError as error:
            raise LinkError(error.strerror or str(error)) from error

    def receive(self) -> object:
        """The next object. Raises LinkError where there is none."""
        (length,) = LENGTH.unpack(self.read(LENGTH.size))
        if length > MOST:
            raise LinkError("no message")
        try:
            return pickle.loads(self.read(length))
        except LinkError:
            raise
        except Exception as error:  # of another version: its classes may be others
            raise LinkError(f"{type(error).__name__}: {error}") from error

    def read(self, length: int) -> bytearray:
        """So many bytes."""
        data = bytearray(length)
        view = memoryview(data)
        while view:
            try:
                count = self.socket.recv_into(view)
            except OSError as error:
                raise LinkError(error.strerror or str(error)) from error
            if not count:
                raise LinkError("it hung up")
            view = view[count:]
        return data


def is_own(connection: socket.socket) -> bool:
    """Whether the process at the other end belongs to this user, where the system says it."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return bool(user == os.getuid())


def can_work() -> bool:
    """Whether this system has what a worker needs."""
    return hasattr(socket, "AF_UNIX") and hasattr(os, "getuid")


def find_folder() -> Path:
    """The folder of the sockets, made where it is missing. Raises LinkError if it is not this user's alone."""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    inside = runtime.is_absolute() and runtime.is_dir() and os.access(runtime, os.W_OK)
    folder = runtime / "genai" if inside else Path(tempfile.gettempdir()) / f"genai-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise LinkError(f"{folder}: {error.strerror}") from error
    if not S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or S_IMODE(found.st_mode) & 0o077:
        raise LinkError(f"{folder} is not a folder of this user's alone")
    return folder


def find_address() -> Path:
    """The socket of the worker for this environment. Raises LinkError."""
    shaping = [name for name in os.environ if name.upper().startswith(SHAPING) and name not in BY_LOAD]
    values = [(name, os.environ[name]) for name in sorted(shaping)]
    name = hashlib.sha256(repr([sys.executable, sys.prefix, *values]).encode()).hexdigest()[:12]
    address = find_folder() / f"worker-{name}.sock"
    if len(os.fsencode(address)) > LONGEST_PATH:
        raise LinkError(f"{address} is too long for a socket")
    return address


def list_addresses() -> list[Path]:
    """The sockets of all workers of this user, those of other environments included. Raises LinkError."""
    return sorted(find_folder().glob("worker-*.sock"))


def connect(address: Path, seconds: float | None = None) -> Link:
    """A connection to the worker there; `seconds` bounds each wait. Raises LinkError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(seconds)
    try:
        connection.connect(os.fspath(address))
    except OSError as error:
        connection.close()
        raise LinkError(error.strerror or str(error)) from error
    return Link(connection)


@functools.cache
def take_fingerprint() -> str:
    """What code runs here: genai's files, and the libraries that make results, as they were when this process asked.

    A server asks for each request, and runs what it has imported, whatever becomes of the files.
    """
    package = Path(__file__).parents[2]
    stamps: list[object] = [__version__, sys.version]
    for entry in list_code(package):
        found = entry.stat()
        stamps.append((entry.name, found.st_mtime_ns, found.st_size))
    for name in LIBRARIES:
        spec = find_spec(name)
        stamps.append(Path(spec.origin).stat().st_mtime_ns if spec and spec.origin else None)
    return hashlib.sha256(repr(stamps).encode()).hexdigest()[:16]


def list_code(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """The Python files of a package, in a fixed order."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.endswith(".py"):
                yield entry
            elif entry.is_dir():
                yield from list_code(entry.path)
