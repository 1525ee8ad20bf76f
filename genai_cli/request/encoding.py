"""Rows in other encodings than UTF-8: told by their first bytes, or named by the user."""

import codecs
import io
from typing import TYPE_CHECKING, BinaryIO

from genai_cli.errors import InputError, nearest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE = 65536  # bytes that are decoded at once
HEAD = 64  # bytes that tell an encoding
# UTF-32's little-endian mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
COMMON = ("cp1252", "iso-8859-15", "cp1251", "gb18030", "big5", "shift_jis", "euc_kr", "utf-16-le", "utf-16-be")
UTF8 = ("utf-8", "utf-8-sig")
NAMED = "--encoding NAME says which one it is: cp1252 (Western Windows), cp1251, gb18030, big5, shift_jis, ..."


def check_encoding(name: str | None) -> None:
    """Raise InputError where Python does not know a text encoding of that name."""
    if name is None:
        return
    try:
        known = codecs.lookup(name)
        "".encode(known.name)  # raises for what is not an encoding of text: base64, zip
    except (LookupError, ValueError):
        hint = nearest(name, COMMON) or f"such as {', '.join(COMMON)}"
        raise InputError(f"unknown encoding {name!r}", hint=hint) from None


def decode_stream(stream: BinaryIO, encoding: str | None, name: str) -> BinaryIO:
    """The same text as UTF-8: of the encoding named, else of the one that a byte order mark tells, else as it is.

    Raises InputError for UTF-16 without a mark, which would be read as text with a NUL after each letter.
    """
    if not hasattr(stream, "peek"):
        stream = io.BufferedReader(stream)  # type: ignore[type-var]
    try:
        head: bytes = stream.peek(HEAD)[:HEAD]
    except OSError as error:  # such as 0>file
        raise InputError(f"{name} cannot be read: {error.strerror or error}") from None
    if encoding is None:
        encoding = next((known for mark, known in MARKS if head.startswith(mark)), None)
        if encoding is None:
            refuse_unmarked(head, name)
            return stream
    if codecs.lookup(encoding).name in UTF8:
        return stream
    return io.BufferedReader(Recoded(stream, encoding, name))


def refuse_unmarked(head: bytes, name: str) -> None:
    """Raise InputError where half of the bytes are NUL: UTF-16 without a byte order mark."""
    for order, zeros, letters in (("le", head[1::2], head[::2]), ("be", head[::2], head[1::2])):
        if len(zeros) > 1 and not any(zeros) and all(letters[: len(zeros)]):
            raise InputError(f"{name} is UTF-16 without a byte order mark", hint=f"--encoding utf-16-{order} reads it")


class Recoded(io.RawIOBase):
    """A stream of another encoding, read as UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str, name: str) -> None:
        self.stream = stream
        self.encoding = encoding
        self.name = name
        self.decoder = codecs.getincrementaldecoder(encoding)()
        self.ready = b""
        self.is_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        while not self.ready and not self.is_ended:
            piece = self.stream.read(PIECE)
            self.is_ended = not piece
            try:
                self.ready = self.decoder.decode(piece, final=self.is_ended).encode()
            except UnicodeError:  # a lone half of a pair cannot be UTF-8 either
                raise InputError(f"{self.name} is not {self.encoding}", hint=NAMED) from None
        taken, self.ready = self.ready[: len(view)], self.ready[len(view) :]
        view[: len(taken)] = taken
        return len(taken)
