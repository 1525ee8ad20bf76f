"""A file as an input is its content: told by its bytes, bounded before it is decoded, and never half of another one."""

import io
import os
import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from file_parts import SIGNATURE, chunk, png
from PIL import Image

from genai_cli.content.picture import Picture
from genai_cli.content.sound import Sound
from genai_cli.content.text import Text
from genai_cli.errors import InputError
from genai_cli.events import Detail, Event, Notice
from genai_cli.request.input import Input, tell_media_type


def saved(path: Path, **options: Any) -> Path:
    """A picture of two colours: 8 pixels high, 16 wide, red on the left."""
    image = options.pop("image", None)
    if image is None:
        image = Image.new("RGB", (16, 8), (0, 0, 255))
        image.paste((255, 0, 0), (0, 0, 8, 8))
    image.save(path, **options)
    return path


def read(path: Path) -> tuple[Picture, list[Event]]:
    events: list[Event] = []
    return Picture.read(Input.read(path, path.name), events.append), events


def test_two_files_of_one_content_are_equal(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        saved(tmp_path / name)
    one, two = (Input.find(name, tmp_path, "picture") for name in ("a.png", "b.png"))
    assert one == two
    assert (one.name, two.name, one.media_type) == ("a.png", "b.png", "image/png")
    assert set(one.record()) == {"name", "sha256", "media_type", "bytes"}
    assert "tmp" not in str(one.record())


def test_a_changed_file_is_not_opened(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png")
    source = Input.read(path, "a.png")
    assert source.open().read() == path.read_bytes()
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match="changed while it was used"):
        source.open()
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        source.open()


def test_content_travels_to_where_the_file_is_not(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png")
    data = path.read_bytes()
    carried = pickle.loads(pickle.dumps(Input.read(path, "a.png").carry()))
    path.unlink()
    assert carried.open().read() == data


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("https://example.org/cat.png", "is not a path"),
        ("none.png", "does not exist"),
        (".", "is a folder"),
        ("empty.png", "is empty"),
        ("pipe", "is not a file"),
        ("a\0b", "is not a path"),
        (3, "must be the path of a file"),
        ("", "must be the path of a file"),
    ],
)
def test_what_cannot_be_an_input_is_named(tmp_path: Path, value: object, words: str) -> None:
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError) as raised:
        Input.find(value, tmp_path, "picture")
    assert words in raised.value.message


def test_types_are_told_by_content(tmp_path: Path) -> None:
    for suffix, media_type in {
        "png": "image/png",
        "jpeg": "image/jpeg",
        "webp": "image/webp",
        "gif": "image/gif",
        "bmp": "image/bmp",
        "tiff": "image/tiff",
    }.items():
        path = saved(tmp_path / f"x.{suffix}").rename(tmp_path / f"{suffix}.txt")
        assert Input.read(path, path.name).media_type == media_type
    for suffix, media_type in {"wav": "audio/wav", "flac": "audio/flac", "ogg": "audio/ogg"}.items():
        soundfile.write(tmp_path / f"x.{suffix}", np.zeros(400), 8000)
        assert Input.read(tmp_path / f"x.{suffix}", "x").media_type == media_type
    assert tell_media_type(b"plain text") == "application/octet-stream"
    assert tell_media_type(b"\0\0\0\x18ftypheic") == "image/heic"


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1", "I;16", "I;16B", "F"])
def test_pictures_become_plain_rgb(tmp_path: Path, mode: str) -> None:
    levels = np.full((8, 16), 40000, ">u2" if mode.endswith("B") else "<u2")
    grey = Image.frombytes(mode, (16, 8), levels.tobytes()) if mode.startswith("I") else None
    plain = Image.new("RGB", (16, 8), (120, 120, 120))
    image = grey or (plain.quantize(2) if mode == "P" else plain.convert(mode))
    suffix = "tiff" if mode in ("CMYK", "F", "I;16B") else "png"
    picture, events = read(saved(tmp_path / f"x.{suffix}", image=image))
    assert picture.pixels.shape == (8, 16, 3)
    assert picture.pixels.dtype == np.uint8
    wanted = {"I;16": 156, "I;16B": 156, "1": None}.get(mode, 120)
    assert wanted is None or np.abs(picture.pixels.astype(int) - wanted).max() <= 2
    assert [type(event) for event in events] == [Detail]


def test_pictures_stand_upright_and_animations_give_their_first_frame(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    turned, _ = read(saved(tmp_path / "x.jpg", exif=exif, quality=95))
    assert turned.pixels.shape == (16, 8, 3)
    assert turned.pixels[0, 0, 0] > 200
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    first, events = read(
        saved(tmp_path / "x.webp", image=frames[0], save_all=True, append_images=frames[1:], lossless=True)
    )
    assert tuple(first.pixels[0, 0]) == (255, 0, 0)
    assert any(isinstance(event, Notice) and "2 frames" in event.text for event in events)


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is large and holds nothing."""
    return png(chunk(b"IDAT", zlib.compress(b"")), width=width, height=height)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bomb(60000, 60000), "cannot be read"),
        (bomb(14000, 12500), "are over 170 million"),
        (bomb(8, 8), "cannot be read"),
        (SIGNATURE + b"not really", "cannot be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture of a known type"),
        (b"%PDF-1.7", "not a picture of a known type"),
        (b"\xff\xd8\xff\xe0 cut", "cannot be read|not a picture"),
    ],
)
def test_hostile_pictures_are_refused(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(InputError, match=words):
        read(tmp_path / "x.png")


def test_cut_pictures_are_refused(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for suffix in ("png", "jpg", "webp", "tiff", "bmp"):
        path = saved(tmp_path / f"x.{suffix}", image=noise)
        path.write_bytes(path.read_bytes()[:-800])
        with pytest.raises(InputError, match="cannot be read"):
            read(path)


def test_sounds_and_texts_are_read(tmp_path: Path) -> None:
    wave = (np.sin(np.arange(800) / 9)[:, None] * [0.5, 0.25]).astype(np.float32)
    for suffix in ("wav", "flac"):
        path = tmp_path / f"x.{suffix}"
        soundfile.write(path, wave, 8000, subtype="PCM_16")
        sound = Sound.read(Input.read(path, path.name), print)
        assert (sound.samples.shape, sound.sampling_rate) == ((800, 2), 8000)
        assert np.abs(sound.samples / 32768 - wave).max() < 1e-3
    (tmp_path / "broken.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    with pytest.raises(InputError, match=r"broken.wav cannot be read"):
        Sound.read(Input.read(tmp_path / "broken.wav", "broken.wav"), print)
    (tmp_path / "x.txt").write_bytes("Grüße\n".encode())
    text = Text.read(Input.read(tmp_path / "x.txt", "x.txt"), print)
    assert text.is_written_as(Text("Grüße").sha256())
    assert not text.is_written_as(Text("Gruß").sha256())
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match="not UTF-8"):
        Text.read(Input.read(tmp_path / "latin.txt", "latin.txt"), print)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    (tmp_path / "x.png").write_bytes(stream.getvalue())
    picture, events = read(tmp_path / "x.png")
    assert picture.sha256() == Picture(pixels).sha256()
    assert events == []
