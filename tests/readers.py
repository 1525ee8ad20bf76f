"""Readers of the files that genai writes, independent of what wrote them; pixels alone are read by Pillow."""

import json
import re
import struct
import wave
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SOURCE_TYPE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG, each with its checksum verified (PNG specification, section 5)."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at = 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(kind + body)
        yield kind, body
        at += 12 + length
    assert kind == b"IEND"


def png_texts(path: Path) -> dict[str, str]:
    """The texts of a PNG by keyword, from its tEXt and iTXt chunks."""
    texts = {}
    for kind, body in png_chunks(path.read_bytes()):
        if kind == b"tEXt":
            keyword, text = body.split(b"\0", 1)
            texts[keyword.decode()] = text.decode("latin-1")
        elif kind == b"iTXt":
            keyword, rest = body.split(b"\0", 1)
            assert rest[0] == 0, "not compressed"
            texts[keyword.decode()] = rest[2:].split(b"\0", 2)[2].decode()
    return texts


def source_type(xmp: str) -> str | None:
    """The DigitalSourceType that an XMP packet states."""
    found = ElementTree.fromstring(xmp[xmp.index("<x:xmpmeta") : xmp.rindex("<?xpacket")]).iter(SOURCE_TYPE)
    return next((element.text for element in found), None)


def embedded_xmp(path: Path) -> str:
    """The XMP packet in any file, found by its own markers."""
    data = path.read_bytes()
    start, end = data.index(b"<?xpacket begin"), data.index(b'<?xpacket end="w"?>')
    return data[start : end + len(b'<?xpacket end="w"?>')].decode()


def wave_samples(path: Path) -> tuple[int, int, list[int]]:
    """Sampling rate, channels and 16-bit samples of a WAV."""
    with wave.open(str(path)) as file:
        assert file.getsampwidth() == 2
        frames = file.readframes(file.getnframes())
        return file.getframerate(), file.getnchannels(), list(struct.unpack(f"<{len(frames) // 2}h", frames))


def wave_tags(path: Path) -> dict[str, str]:
    """The user texts (TXXX, UTF-8) of the ID3v2 tag in a WAV's `id3 ` chunk (RIFF; ID3v2.4, sections 3 and 4.2.6)."""
    data = path.read_bytes()
    assert data[:4] == b"RIFF"
    at, texts = 12, {}
    while at < len(data):
        name, size = struct.unpack("<4sI", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        if name.lower() == b"id3 ":
            texts = id3_texts(body)
        at += 8 + size + size % 2
    return texts


def id3_texts(tag: bytes) -> dict[str, str]:
    """The TXXX frames of an ID3v2.4 tag."""
    assert tag[:3] == b"ID3"
    end, at, texts = 10 + synchsafe(tag[6:10]), 10, {}
    while at < end and tag[at : at + 4].strip(b"\0"):
        size = synchsafe(tag[at + 4 : at + 8])
        if tag[at : at + 4] == b"TXXX":
            assert tag[at + 10] == 3, "UTF-8"
            name, text = tag[at + 11 : at + 10 + size].split(b"\0", 1)
            texts[name.decode()] = text.rstrip(b"\0").decode()
        at += 10 + size
    return texts


def synchsafe(data: bytes) -> int:
    """A number of seven bits a byte (ID3v2.4, section 6.2)."""
    number = 0
    for byte in data:
        number = number << 7 | byte
    return number


def pixels(path: Path | str) -> np.ndarray:
    """The pixels of a picture of any type, as Pillow decodes them: height, width, RGB."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def manifest(folder: Path) -> list[dict[str, Any]]:
    """The items in the manifest of a folder: neither its header nor the rows that were passed over."""
    return [line for line in read_lines(folder / "manifest.jsonl") if "key" in line]


def record_of(path: Path) -> dict[str, Any]:
    """The record in a PNG, in a WAV, or beside a text."""
    if path.suffix == ".png":
        text = png_texts(path)["genai"]
    elif path.suffix == ".wav":
        text = wave_tags(path)["genai"]
    else:
        text = path.with_name(f"{path.name}.json").read_text()
    record = json.loads(text)
    assert isinstance(record, dict)
    return record


@dataclass(frozen=True)
class Parameters:
    """What the `parameters` text of a picture says."""

    prompt: str
    negative: str
    settings: dict[str, str]


# `Name: value`, where the value is a JSON string or holds neither comma nor quote, as the web UI's own reader has it:
# github.com/AUTOMATIC1111/stable-diffusion-webui, modules/infotext_utils.py, re_param and parse_generation_parameters.
SETTING = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


def parse_parameters(text: str) -> Parameters:
    """The form that image tools read: the last line holds the settings, where it has at least three of them."""
    *lines, last = text.strip().split("\n")
    if len(SETTING.findall(last)) < 3:
        lines, last = [*lines, last], ""
    prompt: list[str] = []
    negative: list[str] = []
    place = prompt
    for line in lines:
        line = line.strip()
        if line.startswith("Negative prompt:"):
            place, line = negative, line.removeprefix("Negative prompt:").strip()
        place.append(line)
    settings = {name: json.loads(value) if value.startswith('"') else value for name, value in SETTING.findall(last)}
    return Parameters("\n".join(prompt), "\n".join(negative), settings)
