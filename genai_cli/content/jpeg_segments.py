"""The texts of a JPEG: the segments before its pixels, with XMP that goes on in further segments.

ITU-T T.81, annex B (segments); XMP specification part 3, section 1.1.3 (JPEG, extended XMP).
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from genai_cli.content.embedded import Embedded, check_head, decode_text, is_too_large
from genai_cli.content.xmp import EXTENSION, read_properties
from genai_cli.errors import InputError

SIGNATURE = b"\xff\xd8\xff"
EXIF = b"Exif\0\0"
PACKET = b"http://ns.adobe.com/xap/1.0/\0"
MORE = b"http://ns.adobe.com/xmp/extension/\0"
APP1, COMMENT = 0xE1, 0xFE
ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
END_OF_HEAD = {0xD9, 0xDA}  # the end of the picture, or the beginning of pixels


def read_jpeg(path: Path) -> Embedded:
    """The comment, XMP and EXIF of a JPEG. Raises InputError, OSError."""
    found, pieces, size = Embedded(), [], 0
    with path.open("rb") as stream:
        for marker, body in list_segments(stream, path):
            size += len(body)
            check_head(size, path)
            if marker == COMMENT:
                found.texts["comment"] = decode_text(body)
            elif marker == APP1 and body.startswith(EXIF):
                found.add_exif(body)
            elif marker == APP1 and body.startswith(PACKET):
                found.packets.append(body.removeprefix(PACKET))
            elif marker == APP1 and body.startswith(MORE):
                pieces.append(body.removeprefix(MORE))
    if found.packets and pieces:
        found.packets += join_extension(found.packets[0], pieces, path)
    return found


def list_segments(stream: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """The segments before the pixels that may hold texts; others are skipped. Raises InputError, OSError."""
    stream.seek(2)
    is_first = True
    while True:
        byte = stream.read(1)
        marker = stream.read(1)
        while marker == b"\xff":  # bytes that fill up
            marker = stream.read(1)
        if byte != b"\xff" or not marker:
            if is_first:
                raise InputError(f"{path} cannot be read: it is not a whole JPEG file")
            return  # what was found before the damage counts
        is_first = False
        if marker[0] in END_OF_HEAD:
            return
        if marker[0] in ALONE:
            continue
        size = int.from_bytes(stream.read(2), "big") - 2
        if size < 0:
            return
        if marker[0] in (APP1, COMMENT):
            yield marker[0], stream.read(size)
        else:
            stream.seek(size, 1)


def join_extension(packet: bytes, pieces: list[bytes], path: Path) -> list[bytes]:
    """The packet that the first one names as its extension, from its pieces; none if one is missing."""
    name = read_properties(packet, frozenset({EXTENSION}), path).get(EXTENSION, "").strip().upper()
    data, filled, whole = bytearray(), 0, 0
    for piece in pieces:
        if len(piece) < 40 or piece[:32].decode("latin-1").upper() != name:
            continue
        whole, offset = struct.unpack(">II", piece[32:40])
        if is_too_large(whole) or offset != filled:
            return []
        data += piece[40:]
        filled += len(piece) - 40
    return [bytes(data)] if data and filled == whole else []
