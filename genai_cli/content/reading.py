"""The record inside a file that genai wrote, and the `parameters` of pictures that other tools wrote.

The files may be anyone's: how much is read is bounded before anything is decoded, and no pixel or sample is decoded.
"""

import io
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from xml.etree import ElementTree

from genai_cli.content.record import Record, from_json
from genai_cli.content.tags import comment_text, flac_comment, id3_text, mp3_tag, ogg_comment, riff_chunk
from genai_cli.errors import InputError

PICTURES = (".png", ".jpg", ".jpeg")
MAX_HEAD = 32_000_000  # bytes: what may stand before the pixels of a picture
MAX_RECORD = 10_000_000  # bytes


@dataclass(frozen=True)
class Provenance:
    """What a file says about how it was made: genai's record, or the text that another tool left."""

    record: Record | None
    parameters: str | None = None


class NoRecordError(InputError):
    """The file says nothing about how it was made."""


def read_provenance(path: Path) -> Provenance:
    """What a file says. Raises InputError where it is missing or broken, NoRecordError where it has no record."""
    readers = {".txt": read_beside, ".json": read_sidecar, ".webp": read_webp, ".wav": read_wave, ".mp3": read_mp3}
    readers |= {".flac": read_flac, ".ogg": read_ogg, **dict.fromkeys(PICTURES, read_picture)}
    try:
        check_file(path, tuple(readers))
        found = readers[path.suffix.lower()](path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    if found.record is None and found.parameters is None:
        raise NoRecordError(f"{path} has no genai record", hint="another program wrote it, or removed the record")
    return found


def check_file(path: Path, suffixes: tuple[str, ...]) -> None:
    """Raise InputError for anything but a file of a type that genai writes; a pipe or a device is never opened."""
    if path.is_dir():
        raise InputError(f"{path} is a folder", hint=f"genai show {path}/* shows the files in it")
    if not path.exists():
        raise InputError(f"there is no file {path}")
    if not path.is_file():
        raise InputError(f"{path} is a pipe or a device, not a file")
    if path.suffix.lower() not in suffixes:
        raise InputError(f"{path}: not a type of file that genai writes", hint=f"one of {', '.join(suffixes)}")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty")


def read_head(path: Path) -> io.BytesIO:
    """The beginning of a picture, where its texts stand: the library does not see what is behind the limit."""
    with path.open("rb") as stream:
        return io.BytesIO(stream.read(MAX_HEAD))


def broken(path: Path, error: Exception | str) -> InputError:
    """The error for a picture that cannot be read, perhaps because its head was cut off."""
    if path.stat().st_size > MAX_HEAD:
        return InputError(f"{path} cannot be read: broken, or more than {MAX_HEAD // 10**6} MB of texts: {error}")
    return InputError(f"{path} cannot be read: {error}")


def read_picture(path: Path) -> Provenance:
    """From the text chunks of a PNG, or the XMP of a JPEG."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # above twice that size it is an error
            with Image.open(read_head(path), formats=("PNG", "JPEG")) as image:
                texts = {str(name): value for name, value in image.info.items() if isinstance(value, str)}
                packet = image.info.get("xmp", b"")
    except UnidentifiedImageError:
        raise broken(path, "not a whole PNG or JPEG file") from None
    except (OSError, ValueError, SyntaxError, struct.error, IndexError, Image.DecompressionBombError) as error:
        raise broken(path, error) from None
    if "genai" in texts:
        return Provenance(parse_record(texts["genai"], path))
    if "parameters" in texts:
        return Provenance(None, texts["parameters"])
    return Provenance(record_in_xmp(packet, path) if isinstance(packet, bytes) and packet else None)


def read_webp(path: Path) -> Provenance:
    """From the XMP of a WebP."""
    packet = riff_chunk(path, b"WEBP", b"XMP ")
    return Provenance(record_in_xmp(packet, path) if packet else None)


def record_in_xmp(packet: bytes, path: Path) -> Record | None:
    """The record in an XMP packet, or None where it holds none."""
    if len(packet) > MAX_RECORD:
        raise InputError(f"{path} cannot be read: its XMP is {len(packet) // 10**6} MB")
    xml = packet.decode(errors="replace").strip("\0 \n\ufeff")
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise InputError(f"{path} cannot be read: its XMP declares entities")
    try:
        found = ElementTree.fromstring(xml).iter("{urn:genai:}record")
    except ElementTree.ParseError as error:
        raise InputError(f"{path} cannot be read: its XMP is broken: {error}") from None
    text = next((element.text for element in found), None)
    return parse_record(text, path) if text else None


def read_wave(path: Path) -> Provenance:
    """From the ID3 tag in a WAV."""
    return record_in_tag(riff_chunk(path, b"WAVE", b"id3 "), id3_text, path)


def read_mp3(path: Path) -> Provenance:
    """From the ID3 tag that an MP3 begins with."""
    return record_in_tag(mp3_tag(path), id3_text, path)


def read_flac(path: Path) -> Provenance:
    """From the Vorbis comment of a FLAC."""
    return record_in_tag(flac_comment(path), comment_text, path)


def read_ogg(path: Path) -> Provenance:
    """From the Vorbis comment of an Ogg."""
    return record_in_tag(ogg_comment(path), comment_text, path)


def record_in_tag(tag: bytes | None, find: Callable[[bytes, str], str | None], path: Path) -> Provenance:
    """The record that `find` finds in a tag, or none."""
    text = find(tag, "genai") if tag is not None else None
    return Provenance(parse_record(text, path) if text else None)


def read_beside(path: Path) -> Provenance:
    """From NAME.txt.json beside a text."""
    sidecar = path.with_name(f"{path.name}.json")
    return read_sidecar(sidecar) if sidecar.is_file() else Provenance(None)


def read_sidecar(path: Path) -> Provenance:
    """A record that stands in a file of its own."""
    with path.open("rb") as stream:
        text = stream.read(MAX_RECORD + 1).decode("utf-8", errors="replace")
    return Provenance(parse_record(text, path))


def parse_record(text: str, path: Path) -> Record:
    """A record from its JSON. Raises InputError."""
    if len(text) > MAX_RECORD:
        raise InputError(f"{path} cannot be read: more than {MAX_RECORD // 10**6} MB are not a record")
    try:
        record = from_json(text)
    except ValueError as error:
        raise InputError(f"{path} holds a broken record: {error}") from None
    if not isinstance(record, dict) or "genai" not in record:
        raise InputError(f"{path} holds a broken record")
    return cast(Record, record)
