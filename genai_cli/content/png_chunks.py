"""The texts of a PNG, wherever they stand between its first chunk and IEND. Pixels are skipped by seeking.

https://www.w3.org/TR/png-3/: section 5 (chunks), 11.3.3 (texts), 11.3.4.5 (eXIf).
"""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from genai_cli.content.embedded import MAX_RECORD, Embedded, check_head, decode_text
from genai_cli.errors import InputError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 1_000_000  # pixels stand in chunks of 8 kB and more
MAX_PIXELS = 178_956_970  # Pillow opens no larger picture
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
XMP = "xml:com.adobe.xmp"
# ImageMagick keeps the XMP and EXIF of other formats in texts of hexadecimal digits.
RAW_PROFILE = "raw profile type "


class BrokenChunkError(ValueError):
    """A chunk is not as the format says."""


def read_png(path: Path) -> Embedded:
    """The texts, XMP and EXIF of a PNG. Raises InputError, OSError."""
    found = Embedded()
    try:
        with path.open("rb", buffering=0) as stream:  # a buffer would read the pixels between the chunks
            for kind, body in list_chunks(stream, path):
                take_chunk(found, kind, body)
    except (BrokenChunkError, struct.error) as error:
        if found.is_empty():
            raise InputError(f"{path} cannot be read: {error}") from None
    return found


def list_chunks(stream: BinaryIO, path: Path) -> Iterator[tuple[bytes, bytes]]:
    """The chunks that hold texts, to the end of the picture. Raises InputError, BrokenChunkError, OSError."""
    stream.seek(len(SIGNATURE))
    size_of_texts = 0
    for number in range(MAX_CHUNKS):
        header = stream.read(8)
        if len(header) < 8:
            raise BrokenChunkError("it is cut off")
        size, kind = struct.unpack(">I4s", header)
        if number == 0 and (kind != b"IHDR" or size != 13):
            raise BrokenChunkError("it does not begin as a PNG file does")
        if kind == b"IEND":
            return
        if kind not in (b"IHDR", *TEXTS, b"eXIf"):
            stream.seek(size + 4, io.SEEK_CUR)
            continue
        size_of_texts += size
        check_head(size_of_texts, path)
        body, checksum = read_exactly(stream, size), read_exactly(stream, 4)
        if zlib.crc32(kind + body) != int.from_bytes(checksum, "big"):
            raise InputError(f"{path} cannot be read: its {kind.decode()} chunk is damaged")
        if kind == b"IHDR":
            check_pixels(body, path)
        elif kind == b"eXIf":
            yield kind, body
        else:
            text = unpack_text(kind, body, path)
            size_of_texts += max(0, len(text) - size)
            check_head(size_of_texts, path)
            yield kind, text
    raise BrokenChunkError(f"it has more than {MAX_CHUNKS} chunks")


def read_exactly(stream: BinaryIO, size: int) -> bytes:
    """So many bytes. Raises BrokenChunkError."""
    data = stream.read(size)
    if len(data) < size:
        raise BrokenChunkError("it is cut off")
    return data


def check_pixels(header: bytes, path: Path) -> None:
    """Raise InputError for a picture that no other part of genai would open."""
    width, height = struct.unpack_from(">II", header)
    if width * height > MAX_PIXELS:
        raise InputError(f"{path} cannot be read: Image size ({width * height} pixels) is over {MAX_PIXELS}")


def unpack_text(kind: bytes, body: bytes, path: Path) -> bytes:
    """A text chunk as `keyword NUL text`, the text in UTF-8 or as it stands; compressed ones within bounds."""
    keyword, _, rest = body.partition(b"\0")
    is_packed = kind == b"zTXt"
    if kind == b"iTXt":
        is_packed, method = rest[:1] == b"\1", rest[1:2]
        rest = method + rest[2:].partition(b"\0")[2].partition(b"\0")[2]  # behind language and translated keyword
    text = rest if kind == b"tEXt" else rest[1:]
    return keyword + b"\0" + (unpack(text, path) if is_packed else text)


def unpack(data: bytes, path: Path) -> bytes:
    """What a compressed text holds. Raises InputError if it is too large, BrokenChunkError if it is broken."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, MAX_RECORD + 1)
    except zlib.error as error:
        raise BrokenChunkError(f"a compressed text is broken: {error}") from None
    if len(text) > MAX_RECORD:
        raise InputError(f"{path} cannot be read: Decompressed data of a text is over {MAX_RECORD // 10**6} MB")
    return text


def take_chunk(found: Embedded, kind: bytes, body: bytes) -> None:
    """Keep what a chunk holds."""
    if kind == b"eXIf":
        found.add_exif(body)
        return
    name, _, text = body.partition(b"\0")
    keyword = name.decode("latin-1").strip().lower()
    if keyword == XMP:
        found.packets.append(text)
    elif keyword.startswith(RAW_PROFILE):
        take_profile(found, keyword.removeprefix(RAW_PROFILE), text)
    else:
        found.add_text(keyword, decode_text(text))


def take_profile(found: Embedded, name: str, text: bytes) -> None:
    """Keep the XMP or EXIF that stands in a text: a line with its name, one with its length, lines of digits."""
    if name not in ("xmp", "exif", "app1"):
        return
    lines = text.strip().split(b"\n", 2)
    try:
        data = bytes.fromhex(lines[2].decode("ascii")) if len(lines) == 3 else b""
    except ValueError:  # no digits, or not ASCII
        return
    if name == "xmp":
        found.packets.append(data)
    elif data.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        found.packets.append(data.partition(b"\0")[2])
    else:
        found.add_exif(data)
