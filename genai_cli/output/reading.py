"""The record inside a file that genai wrote, and the `parameters` of pictures that other tools wrote."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from genai_cli.errors import InputError
from genai_cli.output.manifest import MANIFEST, whole_lines
from genai_cli.output.record import Record

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
SOUNDS = (".wav", ".flac", ".ogg", ".mp3")
MAX_SIDECAR = 10_000_000  # bytes


@dataclass(frozen=True)
class Story:
    """What a file tells of its making: genai's record, or the text that another tool left."""

    record: Record | None
    parameters: str | None = None


def read_story(path: Path) -> Story:
    """What a file tells. Raises InputError for a file that is not there, is broken, or tells nothing."""
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    suffix = path.suffix.lower()
    readers = {".txt": read_beside, ".json": read_sidecar}
    readers |= dict.fromkeys(PICTURES, read_picture) | dict.fromkeys(SOUNDS, read_sound)
    if suffix not in readers:
        raise InputError(f"{path}: not a type of file that genai writes", hint=f"one of {', '.join(readers)}")
    story = readers[suffix](path)
    if story.record is None and story.parameters is None:
        raise InputError(f"{path} tells nothing of its making", hint="another program wrote it, or removed the record")
    return story


def read_picture(path: Path) -> Story:
    """From the text chunks of a PNG, or the XMP of a JPEG or WebP; no pixel is decoded."""
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
            texts = {str(name): value for name, value in image.info.items() if isinstance(value, str)}
            packet = image.info.get("xmp", b"")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if "genai" in texts:
        return Story(parse_record(texts["genai"], path))
    if "parameters" in texts:
        return Story(None, texts["parameters"])
    return Story(record_in_xmp(packet, path) if isinstance(packet, bytes) and packet else None)


def record_in_xmp(packet: bytes, path: Path) -> Record | None:
    """The record in an XMP packet, or None where it holds none."""
    if b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        raise InputError(f"{path} cannot be read: its XMP declares entities")
    try:
        found = ElementTree.fromstring(packet.strip(b"\0 \n")).iter("{urn:genai:}record")
    except ElementTree.ParseError as error:
        raise InputError(f"{path} cannot be read: its XMP is broken: {error}") from None
    text = next((element.text for element in found), None)
    return parse_record(text, path) if text else None


def read_sound(path: Path) -> Story:
    """From the ID3 text of a WAV or MP3, or the Vorbis comment of a FLAC or Ogg."""
    import mutagen

    try:
        file: Any = mutagen.File(path)
    except mutagen.MutagenError as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    tags = file.tags if file is not None else None
    value = (tags.get("TXXX:genai") or tags.get("genai")) if tags else None
    return Story(parse_record(str(value[0]), path) if value else None)


def read_beside(path: Path) -> Story:
    """From NAME.txt.json beside a text, or the manifest of its folder."""
    sidecar = path.with_name(f"{path.name}.json")
    if sidecar.is_file():
        return read_sidecar(sidecar)
    manifest = path.parent / MANIFEST
    lines = whole_lines(manifest) if manifest.is_file() else iter(())
    return Story(next((line for line in lines if line.get("file") == path.name), None))


def read_sidecar(path: Path) -> Story:
    """A record that stands in a file of its own."""
    if path.stat().st_size > MAX_SIDECAR:
        raise InputError(f"{path} is too large for a record")
    return Story(parse_record(path.read_text(encoding="utf-8", errors="replace"), path))


def parse_record(text: str, path: Path) -> Record:
    """A record from its JSON. Raises InputError."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} holds a broken record: {error}") from None
    if not isinstance(record, dict) or "genai" not in record:
        raise InputError(f"{path} holds a broken record")
    return record
