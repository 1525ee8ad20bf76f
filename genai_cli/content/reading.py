"""The record inside a file that genai wrote, and the parameters in pictures that other tools wrote.

The files may be anyone's: how much is read is bounded before anything is decoded, and no pixel or sample is decoded.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from genai_cli.content import jpeg_segments, png_chunks
from genai_cli.content.embedded import GENAI, MAX_RECORD, Embedded, is_too_large
from genai_cli.content.exif import read_exif
from genai_cli.content.foreign import PROPERTIES, Foreign, find_foreign
from genai_cli.content.record import Record, from_json
from genai_cli.content.tags import comment_text, flac_comment, id3_text, mp3_tag, ogg_comment, riff_chunks
from genai_cli.content.xmp import RECORD, read_properties
from genai_cli.errors import InputError

PICTURES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Provenance:
    """What a file says about how it was made: genai's record, or what another tool left."""

    record: Record | None
    foreign: Foreign | None = None

    @property
    def parameters(self) -> str | None:
        """The text of another tool as it stands."""
        return self.foreign.text if self.foreign else None


class NoRecordError(InputError):
    """The file says nothing about how it was made."""


def read_provenance(path: Path) -> Provenance:
    """What a file says. Raises InputError where it is missing or broken, NoRecordError where it has no record."""
    readers = {".json": read_sidecar, ".wav": read_wave, ".mp3": read_mp3}
    readers |= dict.fromkeys((".txt", ".srt", ".vtt", ".tsv", ".npy"), read_beside)
    readers |= {
        ".flac": read_flac,
        ".ogg": read_ogg,
        ".opus": read_ogg,
        **dict.fromkeys((*PICTURES, ".webp"), read_picture),
    }
    try:
        check_file(path, tuple(readers))
        found = readers[path.suffix.lower()](path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    if found.record is None and found.foreign is None:
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


def read_picture(path: Path) -> Provenance:
    """From the texts, the XMP and the EXIF of a PNG, JPEG or WebP, whichever its first bytes say it is."""
    with path.open("rb") as stream:
        begin = stream.read(12)
    if begin.startswith(png_chunks.SIGNATURE):
        embedded = png_chunks.read_png(path)
    elif begin.startswith(jpeg_segments.SIGNATURE):
        embedded = jpeg_segments.read_jpeg(path)
    elif path.suffix.lower() == ".webp" or begin[8:] == b"WEBP":
        embedded = read_webp(path)
    else:
        raise InputError(f"{path} cannot be read: not a whole PNG, JPEG or WebP file")
    if record := embedded.texts.get(GENAI):
        return Provenance(parse_record(record, path))
    properties, problem = merge_properties(embedded.packets, path)
    if record := properties.get(RECORD):
        return Provenance(parse_record(record, path))
    foreign = find_foreign(embedded.texts, read_exif(embedded.exif), properties)
    if foreign is None and problem is not None:
        raise problem
    return Provenance(None, foreign)


def read_webp(path: Path) -> Embedded:
    """The XMP and the EXIF of a WebP, before or behind its pixels."""
    found = Embedded()
    for name, body in riff_chunks(path, b"WEBP", b"xmp ", b"exif"):
        if name == b"exif":
            found.add_exif(body)
        else:
            found.packets.append(body)
    return found


def merge_properties(packets: Iterable[bytes], path: Path) -> tuple[Mapping[str, str], InputError | None]:
    """The properties of all packets, the first of a name, and what is wrong with one that is broken."""
    found: dict[str, str] = {}
    problem: InputError | None = None
    for packet in packets:
        try:
            found = {**read_properties(packet, PROPERTIES | {RECORD}, path), **found} if packet.strip(b"\0 ") else found
        except InputError as error:
            problem = error
    return found, problem


def read_wave(path: Path) -> Provenance:
    """From the ID3 tags in a WAV."""
    for _, tag in riff_chunks(path, b"WAVE", b"id3 "):
        found = record_in_tag(tag, id3_text, path)
        if found.record is not None:
            return found
    return Provenance(None)


def read_mp3(path: Path) -> Provenance:
    """From the ID3 tag that an MP3 begins with."""
    return record_in_tag(mp3_tag(path), id3_text, path)


def read_flac(path: Path) -> Provenance:
    """From the Vorbis comment of a FLAC."""
    return record_in_tag(flac_comment(path), comment_text, path)


def read_ogg(path: Path) -> Provenance:
    """From the comment of an Ogg: Vorbis, or Opus."""
    return record_in_tag(ogg_comment(path), comment_text, path)


def record_in_tag(tag: bytes | None, find: Callable[[bytes, str], str | None], path: Path) -> Provenance:
    """The record that `find` finds in a tag, or none."""
    text = find(tag, GENAI) if tag is not None else None
    return Provenance(parse_record(text, path) if text else None)


def read_beside(path: Path) -> Provenance:
    """From NAME.txt.json beside a text or subtitles, or NAME.npy.json beside a vector."""
    sidecar = path.with_name(f"{path.name}.json")
    return read_sidecar(sidecar) if sidecar.is_file() else Provenance(None)


def read_sidecar(path: Path) -> Provenance:
    """A record that stands in a file of its own, or in the JSON of a transcript."""
    with path.open("rb") as stream:
        text = stream.read(MAX_RECORD + 1).decode("utf-8", errors="replace")
    return Provenance(parse_record(text, path))


def parse_record(text: str, path: Path) -> Record:
    """A record from its JSON. Raises InputError."""
    if is_too_large(len(text)):
        raise InputError(f"{path} cannot be read: more than {MAX_RECORD // 10**6} MB are not a record")
    try:
        record = from_json(text)
    except ValueError as error:
        raise InputError(f"{path} holds a broken record: {error}") from None
    if isinstance(record, dict) and isinstance(record.get("genai"), dict):
        record = record["genai"]
    if not isinstance(record, dict) or "genai" not in record:
        raise InputError(f"{path} holds a broken record")
    return cast(Record, record)
