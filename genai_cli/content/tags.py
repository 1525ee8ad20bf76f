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
MAX_TAGS = 10  # ID3 tags before a FLAC
ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")  # ID3v2.4, section 4


def riff_chunks(path: Path, form: bytes, *wanted: bytes) -> list[tuple[bytes, bytes]]:
    """All chunks of those names in a RIFF file, in upper or lower case, as they follow. Raises InputError, OSError."""
    found: list[tuple[bytes, bytes]] = []
    left = MAX_TEXTS
    with path.open("rb") as stream:
        begin = stream.read(12)
        if len(begin) < 12 or begin[:4] != b"RIFF" or begin[8:] != form:
            raise InputError(f"{path} cannot be read: it is not a {form.decode()} file")
        for _ in range(MAX_PARTS):
            if len(header := stream.read(8)) < 8:
                break
            name, size = struct.unpack("<4sI", header)
            name = name.replace(b"\0", b" ").lower()
            if name in wanted:
                if found and size > left:
                    break
                try:
                    body = read_whole(stream, size, path)
                except InputError:
                    if found:
                        break  # what was found before the damage counts
                    raise
                found.append((name, body))
                left -= size
                stream.seek(size % 2, io.SEEK_CUR)
            else:
                stream.seek(size + size % 2, io.SEEK_CUR)
    return found


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
        begin = stream.read(10)
        skip_id3(stream, begin)
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


def skip_id3(stream: BinaryIO, begin: bytes) -> None:
    """Go behind the ID3 tags that some taggers put before a FLAC, from its first bytes."""
    at = 0
    for _ in range(MAX_TAGS):
        if begin[:3] != b"ID3" or len(begin) < 10:
            break
        has_footer = begin[3] == 4 and begin[5] & 0x10
        at += 10 + synchsafe(begin[6:10]) + (10 if has_footer else 0)
        stream.seek(at)
        begin = stream.read(10)
    stream.seek(at)


def ogg_comment(path: Path) -> bytes | None:
    """The Vorbis comment of an Ogg file, in its second packet (RFC 3533, section 6). Raises InputError, OSError."""
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
                    return strip_packet(bytes(packet))
                packet, number = bytearray(), number + 1
    raise InputError(f"{path} cannot be read: it is not an Ogg Vorbis file, or cut off")


def strip_packet(packet: bytes) -> bytes | None:
    """The comment in a packet of Vorbis, Opus (RFC 7845, section 5.2) or FLAC in Ogg (its block 4); None of others."""
    for begin in (b"\x03vorbis", b"OpusTags"):
        if packet.startswith(begin):
            return packet[len(begin) :]
    return packet[4:] if packet and packet[0] & 0x7F == 4 else None


def read_whole(stream: BinaryIO, size: int, path: Path) -> bytes:
    """So many bytes of the file's texts. Raises InputError where they are too many, or cut off."""
    if size > MAX_TEXTS:
        raise InputError(f"{path} cannot be read: its texts are {size // 10**6} MB")
    data = stream.read(size)
    if len(data) < size:
        raise InputError(f"{path} cannot be read: it is cut off")
    return data


def id3_text(tag: bytes, name: str) -> str | None:
    """The user text of that name, in upper or lower case, in an ID3v2 tag, or None; compressed ones are skipped."""
    for body in id3_frames(tag):
        try:
            texts = body[1:].decode(ENCODINGS[body[0]], errors="replace").split("\0")
        except IndexError:
            continue  # empty, or of no known encoding
        if texts[0].removeprefix("\ufeff").lower() == name and len(texts) > 1:
            return texts[1].removeprefix("\ufeff")
    return None


def id3_frames(tag: bytes) -> Iterator[bytes]:
    """The bodies of the user texts (TXXX) that are neither compressed nor encrypted, in ID3v2.2, 2.3 and 2.4."""
    version = tag[3] if len(tag) >= 10 and tag[:3] == b"ID3" else 0
    if version not in (2, 3, 4):
        return
    unsynchronised = bool(tag[5] & 0x80)
    if unsynchronised and version < 4:  # the whole tag; in 2.4 each frame for itself
        tag = tag[:10] + resynchronise(tag[10:])
    at = 10
    if version > 2 and tag[5] & 0x40 and len(tag) >= 14:  # an extended header; in 2.3 its size leaves itself out
        at += synchsafe(tag[10:14]) if version == 4 else int.from_bytes(tag[10:14], "big") + 4
    wanted, length = (b"TXX", 6) if version == 2 else (b"TXXX", 10)
    while at + length <= len(tag) and tag[at]:
        size = frame_size(tag, at, version)
        if tag[at : at + len(wanted)] == wanted:
            body = tag[at + length : at + length + size]
            flags = tag[at + 9] if version > 2 else 0
            yield from plain_body(body, flags, version, unsynchronised)
        at += length + size


def frame_size(tag: bytes, at: int, version: int) -> int:
    """The size of a frame's body. Some taggers write 2.4 with the sizes of 2.3: the one before another frame holds."""
    if version == 2:
        return int.from_bytes(tag[at + 3 : at + 6], "big")
    stated = tag[at + 4 : at + 8]
    plain = int.from_bytes(stated, "big")
    if version == 3:
        return plain
    size = synchsafe(stated)
    if size != plain and not is_frame(tag, at + 10 + size) and is_frame(tag, at + 10 + plain):
        return plain
    return size


def is_frame(tag: bytes, at: int) -> bool:
    """Whether a frame, padding or the tag's end stands there."""
    name = tag[at : at + 4]
    return at == len(tag) or name[:1] == b"\0" or (len(name) == 4 and name.isalnum() and name == name.upper())


def plain_body(body: bytes, flags: int, version: int, unsynchronised: bool) -> Iterator[bytes]:
    """A frame's body without what its flags put into it; nothing if it is compressed or encrypted."""
    if flags & (0x0C if version == 4 else 0xC0):
        return
    if version == 4:
        body = body[bool(flags & 0x40) + 4 * bool(flags & 0x01) :]  # its group; its length before resynchronising
        yield resynchronise(body) if unsynchronised or flags & 0x02 else body
    else:
        yield body[bool(flags & 0x20) :]


def resynchronise(data: bytes) -> bytes:
    """Data without the zeros that keep players from taking it for sound (ID3v2.4, section 6.1)."""
    return data.replace(b"\xff\0", b"\xff")


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
