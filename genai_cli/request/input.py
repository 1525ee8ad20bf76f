"""A file as an input: what it is, is the SHA-256 of its content; where it lies, is not.

The content is read in pieces and never decoded here: pixels and samples are the business of its medium.
"""

import functools
import io
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Self

from genai_cli.errors import InputError
from genai_cli.types import JsonObject

STDIN = "-"
MAX_BYTES = 4 * 2**30  # of one input
PIECE = 2**20  # bytes that are read at once
HEAD = 16  # bytes that tell a file's type
# The beginnings of files, with what may stand at a later place. Sources: https://mimesniff.spec.whatwg.org for
# pictures and sounds, RFC 9639 for FLAC, ISO/IEC 14496-12 for the brands of HEIC and MPEG-4.
SIGNATURES: tuple[tuple[str, bytes, int, bytes], ...] = (
    ("image/png", b"\x89PNG\r\n\x1a\n", 0, b""),
    ("image/jpeg", b"\xff\xd8\xff", 0, b""),
    ("image/gif", b"GIF8", 0, b""),
    ("image/webp", b"RIFF", 8, b"WEBP"),
    ("image/bmp", b"BM", 0, b""),
    ("image/tiff", b"II*\0", 0, b""),
    ("image/tiff", b"MM\0*", 0, b""),
    ("image/heic", b"", 4, b"ftyphei"),
    ("image/heic", b"", 4, b"ftypmif1"),
    ("image/avif", b"", 4, b"ftypavif"),
    ("audio/wav", b"RIFF", 8, b"WAVE"),
    ("audio/flac", b"fLaC", 0, b""),
    ("audio/ogg", b"OggS", 0, b""),
    ("audio/aiff", b"FORM", 8, b"AIF"),
    ("audio/mpeg", b"ID3", 0, b""),
    ("audio/mpeg", b"\xff\xfb", 0, b""),
    ("audio/mpeg", b"\xff\xf3", 0, b""),
    ("video/mp4", b"", 4, b"ftyp"),
    ("video/webm", b"\x1a\x45\xdf\xa3", 0, b""),
)
UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Input:
    """The content of a file: two are equal where their content is, whatever their names and places."""

    sha256: str
    media_type: str
    size: int
    name: str = field(compare=False)
    path: Path = field(compare=False, repr=False)
    data: bytes | None = field(default=None, compare=False, repr=False)
    """The content itself, where it travels to a machine that does not have the file."""

    @classmethod
    def find(cls, value: object, folder: Path, field_name: str) -> Self:
        """The input that a path relative to `folder`, or `-` for standard input, names. Raises InputError."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str | Path) or not str(value):
            raise InputError(f"field {field_name!r} must be the path of a file, not {value!r}")
        if "\0" in str(value) or "://" in str(value):
            raise InputError(
                f"{str(value)!r} is not a path", hint="genai reads files; fetch what is on the network first"
            )
        if str(value) == STDIN:
            return cls.read(spool_stdin(), "stdin")
        path = folder / Path(value).expanduser()
        return cls.read(path, path.name)

    @classmethod
    def read(cls, path: Path, name: str) -> Self:
        """The input in a file. Raises InputError where there is none, or it is too large to be one."""
        try:
            if not path.is_file():
                what = "is a folder" if path.is_dir() else "is not a file" if path.exists() else "does not exist"
                raise InputError(f"{path} {what}")
            status = path.stat()
            if not 0 < status.st_size <= MAX_BYTES:
                raise InputError(f"{path} is empty" if not status.st_size else f"{path} is over {MAX_BYTES >> 30} GiB")
            digest, media_type = identify(str(path.absolute()), status.st_size, status.st_mtime_ns)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
        return cls(digest, media_type, status.st_size, name, path.absolute())

    @classmethod
    def hold(cls, data: bytes, name: str) -> Self:
        """Bytes at hand as an input."""
        import hashlib

        return cls(hashlib.sha256(data).hexdigest(), tell_media_type(data[:HEAD]), len(data), name, Path(), data)

    def open(self) -> BinaryIO:
        """The content from its beginning. Raises InputError where the file no longer holds it."""
        if self.data is not None:
            return io.BytesIO(self.data)
        try:
            status = self.path.stat()
            digest, _ = identify(str(self.path), status.st_size, status.st_mtime_ns)
            if digest == self.sha256:
                return self.path.open("rb")
        except OSError as error:
            raise InputError(f"{self.name} cannot be read: {error.strerror or error}") from None
        raise InputError(f"{self.name} was changed while it was used", hint="run the command again")

    def carry(self) -> Self:
        """The input with its content, for a machine that does not have the file."""
        with self.open() as stream:
            return replace(self, data=stream.read())

    def record(self) -> JsonObject:
        """What a record holds of it: not the path."""
        return {"name": self.name, "sha256": self.sha256, "media_type": self.media_type, "bytes": self.size}


@functools.lru_cache(maxsize=65536)
def identify(path: str, size: int, modified: int) -> tuple[str, str]:
    """The SHA-256 and the media type of a file's content; size and time of change tell one content from the next."""
    import hashlib

    del size, modified
    digest, head = hashlib.sha256(), b""
    with open(path, "rb") as stream:  # noqa: PTH123 (a cached key is a plain string)
        for piece in iter(lambda: stream.read(PIECE), b""):
            head = head or piece[:HEAD]
            digest.update(piece)
    return digest.hexdigest(), tell_media_type(head)


def tell_media_type(head: bytes) -> str:
    """The media type that the first bytes of a content tell."""
    for media_type, begin, place, mark in SIGNATURES:
        if head.startswith(begin) and head[place:].startswith(mark):
            return media_type
    return UNKNOWN_TYPE


@functools.cache
def spool_stdin() -> Path:
    """Standard input as a file that is removed when the program ends."""
    import atexit
    import shutil
    import tempfile

    descriptor, name = tempfile.mkstemp(prefix="genai-input-")
    atexit.register(lambda: Path(name).unlink(missing_ok=True))
    with os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return Path(name)
