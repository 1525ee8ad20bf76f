"""Parts of files, put together by hand as the specifications have them, and a record to stand in them."""

import struct
import zlib
from pathlib import Path

from genai_cli.content.reading import read_provenance
from genai_cli.content.record import Record, to_json

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RECORD: Record = {
    "genai": "0.2.0",
    "task": "image",
    "prompt": "a 'cat' & <b>, 猫 ÿ\xff\0x",
    "model": {"id": "tiny", "revision": None, "variant": None, "license": None},
    "parameters": {"seed": 7},
}
TEXT = to_json(RECORD)


def read(data: bytes, name: str, folder: Path) -> Record | None:
    """The record that genai finds in a file of these bytes and this name."""
    path = folder / name
    path.write_bytes(data)
    return read_provenance(path).record


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG (PNG specification, section 5.3)."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes, width: int = 8, height: int = 8) -> bytes:
    """A PNG in RGB that says how large it is and holds these chunks alone."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return SIGNATURE + header + b"".join(chunks) + chunk(b"IEND", b"")


def synchsafe(size: int) -> bytes:
    """A number in seven bits a byte (ID3v2.4, section 6.2)."""
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def id3(body: bytes, version: int = 4, flags: int = 0) -> bytes:
    """An ID3v2 tag that holds these frames."""
    return b"ID3" + bytes([version, 0, flags]) + synchsafe(len(body)) + body


def frame(body: bytes, size: bytes, flags: int = 0, name: bytes = b"TXXX") -> bytes:
    """A frame of an ID3v2.3 or ID3v2.4 tag, with its size as it is to stand there."""
    return name + size + bytes([0, flags]) + body


def riff(*chunks: tuple[bytes, bytes], form: bytes = b"WEBP") -> bytes:
    """A RIFF file of these chunks, each a name and a body."""
    body = b"".join(name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + form + body
