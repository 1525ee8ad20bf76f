"""Texts in the tags of RIFF, MP3, FLAC and Ogg files, read in one pass and with bounds.

The files may be anyone's. The library that writes the tags reads them without bounds: compressed texts, sizes as the
file states them, time that grows with the square of the number of frames. So the few layouts are walked here.
"""

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from genai_cli.errors import InputError

MAX_TEXTS = 16_000_000  # bytes of one tag: a record is a few thousand, a picture of the cover a few million
MAX_PARTS = 100_000  # chunks, blocks or pages that are skipped on the way to the texts
ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")  # ID3v2.4, section 4


def riff_chunk(path: Path, form: bytes, wanted: bytes) -> bytes | None:
    """The first chunk of that name in a RIFF file, in upper or lower case, or None. Raises InputError, OSError."""
    with path.open("rb") as stream:
        begin = stream.read(12)
        if len(begin) < 12 or begin[:4] != b"RIFF" or begin[8:] != form:
            raise InputError(f"{path} cannot be read: it is not a {form.decode()} file")
        for _ in range(MAX_PARTS):
            if len(header := stream.read(8)) < 8:
                break
            name, size = struct.unpack("<4sI", header)
            if name.lower() == wanted.lower():
                return read_whole(stream, size, path)
            stream.seek(size + size % 2, io.SEEK_CUR)
    return None


def mp3_tag(path: Path) -> bytes | None:
    """The ID3 tag that an MP3 begins with, or None. Raises InputError, OSError."""
    with path.open("rb") as stream:
        header = stream.read(10)
        if header[:3] != b"ID3" or len(header) < 10:
            return None
        return header + read_whole(stream, synchsafe(header[6:10]), path)


def flac_comment(path: Path) -> bytes | None:
    """The Vorbis comment block of a FLAC (RFC 9639, section 8), or None. Raises InputError, OSError."""
    with path.open("rb") as stream:
        if stream.read(4) != b"fLaC":
            raise InputError(f"{path} cannot be read: it is not a FLAC file")
        for _ in range(MAX_PARTS):
            if len(header := stream.read(4)) < 4:
                break
            block, size = header[0] & 0x7F, int.from_bytes(header[1:], "big")
            if block == 4:
                return read_whole(stream, size, path)
            if header[0] & 0x80:  # the last block before the sound
                return None
            stream.seek(size, io.SEEK_CUR)
    raise InputError(f"{path} cannot be read: it is cut off")


def ogg_comment(path: Path) -> bytes | None:
    """The comment header of an Ogg Vorbis file, its second packet (RFC 3533, section 6). Raises InputError, OSError."""
    packet, number = bytearray(), 0
    with path.open("rb") as stream:
        for _ in range(MAX_PARTS):
            header = stream.read(27)
            if len(header) < 27 or header[:4] != b"OggS":
                break
            for size in stream.read(header[26]):
                piece = stream.read(size)
                packet += piece
                if len(packet) > MAX_TEXTS:
                    raise InputError(f"{path} cannot be read: its texts are over {MAX_TEXTS // 10**6} MB")
                if size == 255:
                    continue  # the packet goes on
                if number == 1:
                    return bytes(packet[7:]) if packet.startswith(b"\x03vorbis") else None
                packet, number = bytearray(), number + 1
    raise InputError(f"{path} cannot be read: it is not an Ogg Vorbis file, or cut off")


def read_whole(stream: BinaryIO, size: int, path: Path) -> bytes:
    """So many bytes of the file's texts. Raises InputError where they are too many, or cut off."""
    if size > MAX_TEXTS:
        raise InputError(f"{path} cannot be read: its texts are {size // 10**6} MB")
    data = stream.read(size)
    if len(data) < size:
        raise InputError(f"{path} cannot be read: it is cut off")
    return data


def id3_text(tag: bytes, name: str) -> str | None:
    """The user text of that name in an ID3v2.3 or 2.4 tag (section 4.2.6), or None; compressed ones are skipped."""
    for body in id3_frames(tag, b"TXXX"):
        try:
            texts = body[1:].decode(ENCODINGS[body[0]], errors="replace").split("\0")
        except IndexError:
            continue  # empty, or of no known encoding
        if texts[0] == name and len(texts) > 1:
            return texts[1].removeprefix("\ufeff")
    return None


def id3_frames(tag: bytes, wanted: bytes) -> Iterator[bytes]:
    """The bodies of the frames of that name that are neither compressed nor encrypted."""
    if len(tag) < 10 or tag[:3] != b"ID3" or tag[3] not in (3, 4):
        return
    is_2_4, at = tag[3] == 4, 10
    if tag[5] & 0x40 and len(tag) >= 14:  # an extended header; in 2.3 its size leaves itself out
        at += synchsafe(tag[10:14]) if is_2_4 else int.from_bytes(tag[10:14], "big") + 4
    while at + 10 <= len(tag) and tag[at]:
        size = synchsafe(tag[at + 4 : at + 8]) if is_2_4 else int.from_bytes(tag[at + 4 : at + 8], "big")
        packed = tag[at + 9] & (0x0F if is_2_4 else 0xC0)
        if tag[at : at + 4] == wanted and not packed:
            yield tag[at + 10 : at + 10 + size]
        at += 10 + size


def synchsafe(data: bytes) -> int:
    """A number of seven bits a byte (ID3v2.4, section 6.2)."""
    number = 0
    for byte in data:
        number = number << 7 | byte & 0x7F
    return number


def comment_text(comment: bytes, name: str) -> str | None:
    """The text of that name in a Vorbis comment (its specification, section 5.2.1), or None."""
    begin = f"{name}=".encode().lower()
    try:
        (vendor,) = struct.unpack_from("<I", comment)
        (count,) = struct.unpack_from("<I", comment, 4 + vendor)
        at = 8 + vendor
        for _ in range(count):
            (size,) = struct.unpack_from("<I", comment, at)
            if comment[at + 4 : at + 4 + len(begin)].lower() == begin:
                return comment[at + 4 + len(begin) : at + 4 + size].decode(errors="replace")
            at += 4 + size
    except struct.error:
        pass  # it ends before it says
    return None
