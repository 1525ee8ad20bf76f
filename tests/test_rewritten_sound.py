"""genai's own record is read from every form in which other programs may write a sound again."""

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from file_parts import RECORD, TEXT, frame, id3, read, riff, synchsafe

from genai_cli.content.reading import read_provenance
from genai_cli.content.record import GENERATED, Record, to_json
from genai_cli.content.sound import Sound
from genai_cli.errors import InputError

SOUND = Sound((np.sin(np.arange(3200) / 10) * 20000).astype(np.int16)[:, None], 16000)
FFMPEG = shutil.which("ffmpeg")


def desynchronised(data: bytes) -> bytes:
    return data.replace(b"\xff", b"\xff\0")


UTF8 = b"\3genai\0" + TEXT.encode()
UTF16 = b"\1" + "genai\0".encode("utf-16") + TEXT.encode("utf-16")
LATIN = b"\0GENAI\0" + to_json(RECORD, ascii_only=True).encode() + b"\0"
OTHER = frame(b"\3title", synchsafe(6), name=b"TIT2")
TAGS = {
    "2.4": id3(OTHER + frame(UTF8, synchsafe(len(UTF8))) + bytes(64)),
    "2.4 case": id3(frame(LATIN, synchsafe(len(LATIN)))),
    "2.4 length": id3(frame(synchsafe(len(UTF8)) + UTF8, synchsafe(len(UTF8) + 4), 0x01)),
    "2.4 unsynchronised": id3(
        frame(synchsafe(len(UTF16)) + desynchronised(UTF16), synchsafe(len(desynchronised(UTF16)) + 4), 0x03),
        flags=0x80,
    ),
    "2.4 group": id3(frame(b"g" + UTF8, synchsafe(len(UTF8) + 1), 0x40)),
    "2.4 with sizes of 2.3": id3(frame(UTF8, struct.pack(">I", len(UTF8))) + OTHER),
    "2.3": id3(OTHER + frame(UTF16, struct.pack(">I", len(UTF16))), 3),
    "2.3 unsynchronised": id3(desynchronised(OTHER + frame(UTF16, struct.pack(">I", len(UTF16)))), 3, 0x80),
    "2.2": id3(b"TXX" + len(UTF16).to_bytes(3, "big") + UTF16, 2),
}


@pytest.mark.parametrize("name", TAGS)
def test_all_forms_of_an_id3_tag(tmp_path: Path, name: str) -> None:
    sound = SOUND.encode({**RECORD, "prompt": "another"}, ".mp3", None)
    size = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(sound[6:10], (21, 14, 7, 0), strict=True))
    assert read(TAGS[name] + sound[size:], "x.mp3", tmp_path) == RECORD
    wave = riff(
        (b"fmt ", bytes(16)),
        (b"LIST", b"INFOIART\1\0\0\0x\0"),
        (b"data", bytes(99)),
        (b"ID3 ", TAGS[name]),
        form=b"WAVE",
    )
    assert read(wave, "x.wav", tmp_path) == RECORD


def test_the_second_tag_of_a_wav(tmp_path: Path) -> None:
    wave = riff((b"data", bytes(9)), (b"id3 ", id3(OTHER)), (b"ID3 ", TAGS["2.3"]), form=b"WAVE")
    assert read(wave, "x.wav", tmp_path) == RECORD


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("suffix", [".mp3", ".wav"])
def test_mutagen_writes_the_tag_again(tmp_path: Path, suffix: str, version: int) -> None:
    import mutagen
    from mutagen.id3 import TIT2

    path = tmp_path / f"x{suffix}"
    path.write_bytes(SOUND.encode(RECORD, suffix, GENERATED))
    file = mutagen.File(path)
    file.tags.add(TIT2(encoding=1, text=["猫"]))
    file.save(v2_version=version)
    assert read_provenance(path).record == RECORD


def test_a_flac_behind_id3(tmp_path: Path) -> None:
    flac = SOUND.encode(RECORD, ".flac", GENERATED)
    assert read(TAGS["2.4"][:3] + b"\3" + TAGS["2.4"][4:] + id3(OTHER) + flac, "x.flac", tmp_path) == RECORD
    with pytest.raises(InputError, match="it is not a FLAC file"):
        read(id3(OTHER) + b"OggS" + flac, "x.flac", tmp_path)


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_keys_in_capitals(tmp_path: Path, suffix: str) -> None:
    import mutagen

    path = tmp_path / f"x{suffix}"
    path.write_bytes(SOUND.encode(RECORD, suffix, GENERATED))
    file = mutagen.File(path)
    text = file["genai"]
    del file["genai"]
    file["GENAI"], file["TITLE"] = text, "猫"
    file.save(padding=lambda _: 5000)
    assert read_provenance(path).record == RECORD


def test_opus_and_flac_in_ogg(tmp_path: Path) -> None:
    comment = struct.pack("<I", 0) + struct.pack("<II", 1, len(f"GENAI={TEXT}".encode())) + f"GENAI={TEXT}".encode()
    for first, second in (
        (b"OpusHead", b"OpusTags" + comment),
        (b"\x7fFLAC", b"\x84" + len(comment).to_bytes(3, "big") + comment),
    ):
        data = b"".join(
            b"OggS"
            + bytes(22)
            + bytes([len(packet) // 255 + 1])
            + b"\xff" * (len(packet) // 255)
            + bytes([len(packet) % 255])
            + packet
            for packet in (first, second)
        )
        assert read(data, "x.ogg", tmp_path) == RECORD


@pytest.mark.skipif(FFMPEG is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".ogg", ".opus"])
def test_ffmpeg_writes_the_sound_again(tmp_path: Path, suffix: str) -> None:
    record: Record = {**RECORD, "prompt": "rock; 'n' = roll"}
    (tmp_path / f"x{suffix}").write_bytes(SOUND.encode(record, suffix, GENERATED))
    command = [str(FFMPEG), "-v", "error", "-i", f"x{suffix}", "-c", "copy", f"y{suffix}"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert read_provenance(tmp_path / f"y{suffix}").record == record
