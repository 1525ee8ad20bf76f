"""Pictures as cameras, programs and strangers leave them: the right pixels, or one line that says what is wrong."""

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_parts import RECORD, SIGNATURE, chunk, png, riff
from PIL import Image, ImageCms

from genai_cli.content.picture import Picture
from genai_cli.content.picture_reading import measure_picture, read_mask, read_transparency
from genai_cli.errors import InputError
from genai_cli.events import Detail, Event, Notice, ignore
from genai_cli.request.input import Input

RED, BLUE, WHITE, BLACK = (255, 0, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
HEIC = Path(__file__).parent / "pictures" / "two-colours.heic"


def two(mode: str = "RGB") -> Image.Image:
    """8 pixels high, 16 wide, red on the left and blue on the right."""
    image = Image.new("RGB", (16, 8), BLUE)
    image.paste(RED, (0, 0, 8, 8))
    return image.convert(mode)


def save(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def grey(mode: str, level: float) -> Image.Image:
    dtype = {"I;16": "<u2", "I;16B": ">u2", "F": "<f4", "I": "<i4"}[mode]
    return Image.frombytes(mode, (16, 8), np.full((8, 16), level, dtype).tobytes())


def turned(orientation: int) -> bytes:
    """The two colours as a camera stores them that was held in another way (EXIF 2.32, section 4.6.4)."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = two().transpose(undo[orientation]) if orientation > 1 else two()
    exif = Image.Exif()
    exif[0x0112] = orientation
    return save(image, "PNG", exif=exif)


def half_transparent(colour: tuple[int, int, int] = RED) -> Image.Image:
    """The left half of one colour, the right half transparent with blue under it."""
    image = two("RGBA")
    image.paste((*colour, 255), (0, 0, 8, 8))
    image.paste((*BLUE, 0), (8, 0, 16, 8))
    return image


def palette_with_transparency() -> bytes:
    image = two().quantize(2)
    return save(image, "PNG", transparency=image.getpixel((12, 4)))


def profile(name: str) -> bytes:
    """A profile of red, green and blue with another name than sRGB's, of the same length."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"s\0R\0G\0B", name.encode())


def animation(kind: str) -> bytes:
    return save(two(), kind, save_all=True, append_images=[Image.new("RGB", (16, 8), "green")], lossless=True)


# What is read: how the file is made, the colours on the left and on the right, and how far they may be off.
READ: dict[str, tuple[Callable[[], bytes], tuple[int, ...], tuple[int, ...], int]] = {
    "plain.png": (lambda: save(two(), "PNG"), RED, BLUE, 0),
    "wrong-suffix.png": (lambda: save(two(), "JPEG", quality=95, subsampling=0), RED, BLUE, 3),
    "progressive.jpg": (lambda: save(two(), "JPEG", quality=95, progressive=True, subsampling=0), RED, BLUE, 3),
    "cmyk.jpg": (lambda: save(two("CMYK"), "JPEG", quality=95), RED, BLUE, 6),
    "cmyk.tiff": (lambda: save(two("CMYK"), "TIFF"), RED, BLUE, 0),
    "mpo.jpg": (
        lambda: save(two(), "MPO", save_all=True, append_images=[two()], quality=95, subsampling=0),
        RED,
        BLUE,
        3,
    ),
    "lossless.webp": (lambda: save(two(), "WEBP", lossless=True), RED, BLUE, 0),
    "animated.webp": (lambda: animation("WEBP"), RED, BLUE, 0),
    "animated.gif": (lambda: animation("GIF"), RED, BLUE, 0),
    "animated.png": (lambda: save(two(), "PNG", save_all=True, append_images=[two()]), RED, BLUE, 0),
    "pages.tiff": (lambda: save(two(), "TIFF", save_all=True, append_images=[two()]), RED, BLUE, 0),
    "lzw.tiff": (lambda: save(two(), "TIFF", compression="tiff_lzw"), RED, BLUE, 0),
    "plain.bmp": (lambda: save(two(), "BMP"), RED, BLUE, 0),
    "plain.avif": (lambda: save(two(), "AVIF", quality=100, subsampling="4:4:4"), RED, BLUE, 3),
    "two-colours.heic": (HEIC.read_bytes, RED, BLUE, 3),
    "palette.png": (lambda: save(two().quantize(2), "PNG"), RED, BLUE, 0),
    "palette-transparent.png": (palette_with_transparency, RED, WHITE, 0),
    "rgba.png": (lambda: save(half_transparent(), "PNG"), RED, WHITE, 0),
    "rgb-transparent.png": (lambda: save(two(), "PNG", transparency=BLUE), RED, WHITE, 0),
    "la.png": (lambda: save(half_transparent(BLACK).convert("LA"), "PNG"), BLACK, WHITE, 0),
    "one-bit.png": (lambda: save(two("L").point(lambda level: 255 * (level > 50), "1"), "PNG"), WHITE, BLACK, 0),
    "grey.png": (lambda: save(two("L"), "PNG"), (76, 76, 76), (29, 29, 29), 0),
    "sixteen.png": (lambda: save(grey("I;16", 40000), "PNG"), (156,) * 3, (156,) * 3, 0),
    "sixteen-mm.tiff": (lambda: save(grey("I;16B", 40000), "TIFF"), (156,) * 3, (156,) * 3, 0),
    "whole-numbers.tiff": (lambda: save(grey("I", 40000), "TIFF"), (156,) * 3, (156,) * 3, 0),
    "float.tiff": (lambda: save(grey("F", 120), "TIFF"), (120,) * 3, (120,) * 3, 0),
    "unit-float.tiff": (lambda: save(grey("F", 0.5), "TIFF"), (128,) * 3, (128,) * 3, 0),
    "not-finite.tiff": (lambda: save(grey("F", float("nan")), "TIFF"), BLACK, BLACK, 0),
    "profile.png": (lambda: save(two(), "PNG", icc_profile=profile("D\0P\0-\x003")), RED, BLUE, 0),
    "broken-profile.png": (lambda: save(two(), "PNG", icc_profile=b"no profile"), RED, BLUE, 0),
    "broken-exif.jpg": (
        lambda: save(two(), "JPEG", quality=95, subsampling=0, exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
        RED,
        BLUE,
        3,
    ),
    **{f"turned-{number}.png": (lambda number=number: turned(number), RED, BLUE, 0) for number in range(1, 9)},
}


def ihdr(width: int, height: int, depth: int = 8, colour: int = 2, interlace: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is large and holds nothing."""
    return png(chunk(b"IDAT", zlib.compress(b"")), width=width, height=height)


def noise(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return save(Image.fromarray(pixels), kind)


def huge_tiff() -> bytes:
    """A TIFF of one strip that states 100,000 x 100,000 pixels."""
    entries = [(256, 100_000), (257, 100_000), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 8)]
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + body + bytes(4)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "bomb.png": (lambda: bomb(60_000, 60_000), "Image size"),
    "large.png": (lambda: bomb(14_000, 12_500), "14000x12500 pixels are over 170 million"),
    "hollow.png": (lambda: bomb(8, 8), "truncated"),
    "zero.png": (lambda: SIGNATURE + ihdr(0, 0) + chunk(b"IEND", b""), ""),
    "packed-text.png": (
        lambda: png(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8))), chunk(b"IDAT", zlib.compress(bytes(200)))),
        "Decompressed data",
    ),
    "no-picture.png": (lambda: SIGNATURE + b"not really", "Truncated"),
    "wrong-depth.png": (lambda: SIGNATURE + ihdr(8, 8, depth=7) + chunk(b"IEND", b""), ""),
    "text.png": (lambda: b"just a text", "not a picture of a known type"),
    "drawing.svg": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture of a known type"),
    "page.pdf": (lambda: b"%PDF-1.7", "not a picture of a known type"),
    "script.png": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture of a known type"),
    "layers.psd": (lambda: b"8BPS\0\1" + bytes(20), "not a picture of a known type"),
    "sound.png": (lambda: riff((b"fmt ", bytes(16)), form=b"WAVE"), "not a picture of a known type"),
    "head.jpg": (lambda: b"\xff\xd8\xff\xe0 cut", "Truncated"),
    "cut.png": (lambda: noise("PNG")[:-800], ""),
    "cut.jpg": (lambda: noise("JPEG")[:-800], "truncated"),
    "cut.webp": (lambda: noise("WEBP")[:-800], ""),
    "cut.tiff": (lambda: noise("TIFF")[:-800], ""),
    "cut.bmp": (lambda: noise("BMP")[:-800], "truncated"),
    "cut.gif": (lambda: noise("GIF")[:-800], ""),
    "cut.avif": (lambda: noise("AVIF")[:-800], ""),
    "cut.heic": (lambda: HEIC.read_bytes()[:-100], ""),
    "head.heic": (lambda: HEIC.read_bytes()[:60], ""),
    "huge.tiff": (huge_tiff, ""),
    "huge.gif": (
        lambda: b"GIF89a\xff\xff\xff\xff\0\0\0" + b",\0\0\0\0\xff\xff\xff\xff\0\2",
        "pixels are over|Image size",
    ),
    "huge.bmp": (lambda: b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**30, 2**30, 1, 24, *[0] * 6), ""),
    "loop.tiff": (lambda: b"II*\0\x08\0\0\0" + struct.pack("<H", 0) + struct.pack("<I", 8), ""),
    "broken.png": (lambda: save(two(), "PNG").replace(b"IDAT", b"IDAX"), ""),
    "no-profile.lab": (lambda: save(two("YCbCr").convert("RGB").convert("LAB"), "TIFF")[:200], ""),
}


def write(folder: Path, name: str, data: bytes) -> Input:
    path = folder / name
    path.write_bytes(data)
    return Input.read(path, name)


@pytest.mark.parametrize("name", READ)
def test_odd_pictures_give_the_right_pixels(tmp_path: Path, name: str) -> None:
    make, left, right, tolerance = READ[name]
    source = write(tmp_path, name, make())
    events: list[Event] = []
    pixels = Picture.read(source, events.append).pixels
    assert (pixels.shape, pixels.dtype) == ((8, 16, 3), np.uint8)
    assert measure_picture(source) == (16, 8)
    for place, colour in ((2, left), (13, right)):
        assert np.abs(pixels[:, place].astype(int) - colour).max() <= tolerance, pixels[4, place]
    several = "animated" in name or name in ("mpo.jpg", "pages.tiff")
    assert any(isinstance(event, Notice) and "the first is taken" in event.text for event in events) == several


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_pictures_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    make, words = REFUSED[name]
    source = write(tmp_path, name, make())
    tracemalloc.start()
    with pytest.raises(InputError, match=words or None) as raised:
        Picture.read(source, ignore)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert raised.value.message.startswith(f"{name} cannot be read: ")
    assert "\n" not in raised.value.message
    assert peak < 50_000_000


def test_what_was_done_is_said(tmp_path: Path) -> None:
    events: list[Event] = []
    for name in ("rgba.png", "cmyk.tiff"):
        Picture.read(write(tmp_path, name, READ[name][0]()), events.append)
    details = [event.text for event in events if isinstance(event, Detail)]
    assert details == ["rgba.png is RGBA and is read as RGB on white", "cmyk.tiff is CMYK and is read as RGB"]


def test_the_colours_of_a_profile_are_kept(tmp_path: Path) -> None:
    other, usual = profile("D\0P\0-\x003"), profile("s\0R\0G\0B")
    for name, data, wanted in [
        ("a.png", save(two(), "PNG", icc_profile=other), other),
        ("b.png", save(two(), "PNG", icc_profile=usual), None),
        ("c.png", save(two(), "PNG", icc_profile=b"no profile"), None),
        ("d.png", save(two("L"), "PNG", icc_profile=other), None),
        ("e.jpg", save(two("CMYK"), "JPEG", icc_profile=other), None),
        ("f.jpg", save(two(), "JPEG", icc_profile=other + bytes(2_000_000)), None),
    ]:
        assert Picture.read(write(tmp_path, name, data), ignore).profile == wanted, name
    read = Picture.read(write(tmp_path, "a.png", save(two(), "PNG", icc_profile=other)), ignore)
    for suffix in (".png", ".jpg", ".webp"):
        with Image.open(io.BytesIO(read.encode(RECORD, suffix, None))) as written:
            assert written.info["icc_profile"] == other


def test_heic_without_its_library_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genai_cli.content.picture_reading.HEIC_LIBRARIES", ("no_such_library",))
    with pytest.raises(InputError) as raised:
        Picture.read(write(tmp_path, "photo.heic", HEIC.read_bytes()), ignore)
    assert raised.value.message == "photo.heic is a HEIC picture"
    assert "genai-cli[heic]" in str(raised.value.hint)


def test_masks_are_white_where_they_change(tmp_path: Path) -> None:
    painted = half_transparent(WHITE)  # white strokes on a transparent layer
    for name, image in {"layer.png": painted, "grey.png": painted.getchannel("A")}.items():
        mask = read_mask(write(tmp_path, name, save(image, "PNG")), ignore)
        assert (mask.shape, mask.dtype) == ((8, 16), np.uint8)
        assert (mask[:, :8] == 255).all()
        assert (mask[:, 8:] == 0).all()


def test_transparency_is_read_with_the_colours_under_it(tmp_path: Path) -> None:
    pixels, transparent = read_transparency(write(tmp_path, "a.png", save(half_transparent(), "PNG")), print)
    assert (pixels[4, 2].tolist(), pixels[4, 13].tolist()) == ([*RED], [*BLUE])
    assert (transparent[4, 2], transparent[4, 13]) == (0, 255)
    with pytest.raises(InputError, match=r"b\.png has no transparent parts"):
        read_transparency(write(tmp_path, "b.png", save(two(), "PNG")), print)
