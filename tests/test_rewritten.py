"""genai's own record is read from every form in which other programs may write a picture again."""

import io
import json
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from file_parts import RECORD, TEXT, chunk, png, read, riff
from PIL import Image, PngImagePlugin

from genai_cli.content.picture import Picture
from genai_cli.content.reading import NoRecordError, read_provenance
from genai_cli.content.record import GENERATED, Record, to_json
from genai_cli.errors import InputError

PICTURE = Picture(np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3))
PIXELS = chunk(b"IDAT", zlib.compress(bytes(25 * 8)))
END = chunk(b"IEND", b"")


# PNG


@pytest.mark.parametrize(
    "text",
    [
        chunk(b"tEXt", b"genai\0" + TEXT.encode()),  # ImageMagick puts UTF-8 where Latin-1 belongs
        chunk(b"tEXt", b"Genai\0" + TEXT.encode()),
        chunk(b"zTXt", b"genai\0\0" + zlib.compress(TEXT.encode())),
        chunk(b"iTXt", b"genai\0\0\0\0\0" + TEXT.encode()),
        chunk(b"iTXt", b"genai\0\1\0en\0kept\0" + zlib.compress(TEXT.encode())),
    ],
    ids=["tEXt", "case", "zTXt", "iTXt", "iTXt-compressed"],
)
@pytest.mark.parametrize("behind", [False, True])
def test_a_text_of_a_png_is_read_wherever_it_stands(tmp_path: Path, text: bytes, behind: bool) -> None:
    data = png(PIXELS, PIXELS, text) if behind else png(text, PIXELS)
    assert read(data, "x.png", tmp_path) == RECORD


def test_pixels_are_skipped_and_not_read(tmp_path: Path) -> None:
    """Two gigabytes of pixels (a hole in the file) stand before the record."""
    path, size = tmp_path / "large.png", 2**31 - 1
    with path.open("wb") as file:
        file.write(png().removesuffix(END) + struct.pack(">I4s", size, b"IDAT"))
        file.seek(size + 4, io.SEEK_CUR)
        file.write(chunk(b"tEXt", b"genai\0" + TEXT.encode()) + END)
    code = """if True:
        import sys
        from pathlib import Path
        from genai_cli.content.reading import read_provenance
        def count(): return int(open("/proc/self/io").read().split()[1])
        before = count()
        print(read_provenance(Path(sys.argv[1])).record["task"], count() - before)
    """
    if not Path("/proc/self/io").exists():
        pytest.skip("this system does not tell what a process reads")
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True, timeout=60)
    task, count = done.stdout.split()
    assert (task, int(count) < 100_000) == ("image", True)


def test_many_small_chunks_of_pixels(tmp_path: Path) -> None:
    text = chunk(b"tEXt", b"genai\0" + TEXT.encode())
    assert read(png(*[chunk(b"IDAT", b"")] * 200_000, text), "x.png", tmp_path) == RECORD


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell the peak of memory")
def test_hostile_texts_take_little_memory(tmp_path: Path) -> None:
    packed = zlib.compress(bytes(9_000_000))
    bombs = [chunk(b"zTXt", f"{number}\0\0".encode() + packed) for number in range(500)]
    many = [chunk(b"tEXt", f"{number}\0x".encode()) for number in range(300_000)]
    long = png(chunk(b"tEXt", b"parameters\0" + b"\n" * 30_000_000))
    (tmp_path / "bombs.png").write_bytes(png(*bombs))
    (tmp_path / "many.png").write_bytes(png(*many, chunk(b"tEXt", b"genai\0" + TEXT.encode())))
    (tmp_path / "long.png").write_bytes(long)
    value = b"UNICODE\0" + "Steps: 2, ".encode("utf-16-le") * 1_500_000
    tags = [0x010E, 0x010F, 0x0110, 0x0131, 0x927C, 0x9286, 0x9C9C]
    rows = b"".join(struct.pack("<HHII", tag, 7, len(value), 200) for tag in tags)
    tiff = (b"II*\0" + struct.pack("<IH", 8, len(tags)) + rows).ljust(200, b"\0") + value
    (tmp_path / "exif.png").write_bytes(png(chunk(b"eXIf", tiff)))
    code = """if True:
        from pathlib import Path
        from genai_cli.content.reading import read_provenance
        from genai_cli.errors import InputError
        for name in ("bombs", "many", "long", "exif"):
            try:
                found = read_provenance(Path(f"{name}.png"))
                print(name, found.record is not None, len(found.parameters or ""))
            except InputError as error:
                print(error.message)
        print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
    """
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    *lines, peak = done.stdout.splitlines()
    assert lines == [
        "bombs.png cannot be read: more than 32 MB of texts",
        "many True 0",
        "long False 30000000",
        "exif.png has no genai record",
    ]
    assert int(peak) < 250_000, peak


def test_a_damaged_text_is_told(tmp_path: Path) -> None:
    text = bytearray(chunk(b"tEXt", b"genai\0" + TEXT.encode()))
    text[60] ^= 1
    with pytest.raises(InputError, match="its tEXt chunk is damaged"):
        read(png(bytes(text), PIXELS), "x.png", tmp_path)


def test_what_stands_before_the_cut_counts(tmp_path: Path) -> None:
    data = png(chunk(b"tEXt", b"genai\0" + TEXT.encode()), PIXELS)
    assert read(data[:-20], "x.png", tmp_path) == RECORD
    with pytest.raises(InputError, match="it is cut off"):
        read(png(PIXELS)[:-20], "y.png", tmp_path)


def test_the_suffix_does_not_decide(tmp_path: Path) -> None:
    for suffix, name in ((".png", "x.jpg"), (".jpg", "x.png"), (".webp", "y.png"), (".png", "x.webp")):
        assert read(PICTURE.encode(RECORD, suffix, GENERATED), name, tmp_path) == RECORD


# XMP

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


def escaped(text: str) -> str:
    for mark, entity in (("&", "&amp;"), ("<", "&lt;"), ('"', "&quot;"), ("'", "&apos;")):
        text = text.replace(mark, entity)
    return text


ASCII = escaped(to_json(RECORD, ascii_only=True))
FORMS = {
    "element": "<rdf:Description rdf:about=''><g:record>R</g:record></rdf:Description>",
    "attribute": "<rdf:Description rdf:about='' g:record='R'/>",
    "several": "<rdf:Description x:a='1'/><rdf:Description x:b='2'/><rdf:Description g:record='R'/>",
    "nested": "<rdf:Description><x:a><rdf:Description><g:record>R</g:record></rdf:Description></x:a></rdf:Description>",
    "nested attribute": "<rdf:Description><x:a><rdf:Description g:record='R'/></x:a></rdf:Description>",
    "resource": "<rdf:Description><x:a rdf:parseType='Resource'><g:record>R</g:record></x:a></rdf:Description>",
    "list": "<rdf:Description><g:record><rdf:Alt><rdf:li x:l='x'>R</rdf:li></rdf:Alt></g:record></rdf:Description>",
    "value": "<x:T><g:record rdf:parseType='Resource'><rdf:value>R</rdf:value><x:q>no</x:q></g:record></x:T>",
    "value attribute": "<x:T><g:record><rdf:Description rdf:value='R' x:q='no'/></g:record></x:T>",
    "typed": "<x:Thing rdf:about=''><g:record>R</g:record></x:Thing>",
    "comment": "<rdf:Description><g:record><!-- a -->R</g:record></rdf:Description>",
}


def packet(form: str, rdf: str = "rdf", g: str = "genai", wrapped: bool = True) -> str:
    body = form.replace("rdf:", f"{rdf}:").replace("g:record", f"{g}:record").replace("R<", f"{ASCII}<")
    body = body.replace("'R'", f"'{ASCII}'")
    inner = f'<{rdf}:RDF xmlns:{rdf}="{RDF}" xmlns:{g}="urn:genai:" xmlns:x="urn:x:">{body}</{rdf}:RDF>'
    if not wrapped:
        return inner
    meta = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{inner}</x:xmpmeta>'
    return f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{meta}{" " * 2000}<?xpacket end="w"?>'


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("rdf", "g", "wrapped"), [("rdf", "genai", True), ("r", "ns1", False)])
def test_all_forms_of_rdf(tmp_path: Path, form: str, rdf: str, g: str, wrapped: bool) -> None:
    xmp = packet(FORMS[form], rdf, g, wrapped)
    assert read(riff((b"XMP ", xmp.encode())), "x.webp", tmp_path) == RECORD


@pytest.mark.parametrize("quote", ["'", '"'])
def test_an_attribute_that_is_not_escaped(tmp_path: Path, quote: str) -> None:
    """exiftool 12 writes its shorthand in apostrophes, and leaves those of the value as they stand."""
    value = to_json(RECORD, ascii_only=True).replace("&", "&amp;").replace("<", "&lt;")
    xmp = packet(FORMS["attribute"]).replace(f"'{ASCII}'", quote + value + quote)
    assert value in xmp
    assert read(riff((b"XMP ", xmp.encode())), "x.webp", tmp_path) == RECORD


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_of_a_packet(tmp_path: Path, encoding: str) -> None:
    xmp = packet(FORMS["attribute"]).encode(encoding) + bytes(40)
    assert read(riff((b"XMP ", xmp)), "x.webp", tmp_path) == RECORD


def test_xmp_before_and_behind_the_pixels(tmp_path: Path) -> None:
    xmp, pixels = packet(FORMS["element"]).encode(), (b"VP8 ", bytes(70_001))
    for name in (b"XMP ", b"XMP\0", b"xmp "):
        assert read(riff((b"VP8X", bytes(10)), (name, xmp), pixels), "x.webp", tmp_path) == RECORD
        assert read(riff((b"VP8X", bytes(10)), pixels, (b"EXIF", b"II*\0"), (name, xmp)), "x.webp", tmp_path) == RECORD


def test_xmp_of_a_png_that_holds_the_record(tmp_path: Path) -> None:
    xmp = packet(FORMS["attribute"]).encode()
    digits = b"\nxmp\n%8d\n" % len(xmp) + b"\n".join(
        xmp.hex()[at : at + 72].encode() for at in range(0, len(xmp) * 2, 72)
    )
    for text in (
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)),
        chunk(b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(digits)),
    ):
        assert read(png(PIXELS, text), "x.png", tmp_path) == RECORD


def segment(body: bytes, marker: int = 0xE1) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def extended(data: bytes, size: int, order: Callable[[list[bytes]], list[bytes]] = list) -> bytes:
    """A JPEG whose packet goes on in pieces of `size` (XMP part 3, section 1.1.3.1)."""
    name = b"0123456789ABCDEF0123456789ABCDEF"
    form = f"<rdf:Description xmlns:n='http://ns.adobe.com/xmp/note/' n:HasExtendedXMP='{name.decode()}'/>"
    pieces = [
        segment(
            b"http://ns.adobe.com/xmp/extension/\0" + name + struct.pack(">II", len(data), at) + data[at : at + size]
        )
        for at in range(0, len(data), size)
    ]
    main = segment(b"http://ns.adobe.com/xap/1.0/\0" + packet(form).encode())
    return (
        b"\xff\xd8" + segment(bytes(9), 0xE0) + main + b"".join(order(pieces)) + segment(bytes(6), 0xDA) + b"\xff\xd9"
    )


def test_extended_xmp_of_a_jpeg(tmp_path: Path) -> None:
    whole = packet(FORMS["element"].replace("<g:", "<x:c>" + "y" * 90_000 + "</x:c><g:"), wrapped=False)
    assert read(extended(whole.encode(), 60_000), "x.jpg", tmp_path) == RECORD
    for broken in (lambda pieces: pieces[:-1], lambda pieces: pieces[1:]):
        with pytest.raises(NoRecordError):
            read(extended(whole.encode(), 40_000, broken), "x.jpg", tmp_path)


def test_a_hostile_extension_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than 32 MB of texts"):
        read(extended(b"x" * 40_000_000, 60_000), "x.jpg", tmp_path)
    with pytest.raises(NoRecordError):
        read(extended(b"x" * 20_000_000, 60_000), "x.jpg", tmp_path)


def test_nested_xmp_takes_no_time(tmp_path: Path) -> None:
    xmp = "<a>" * 500_000 + "<g:record xmlns:g='urn:genai:'> </g:record>" * 50_000 + "</a>" * 500_000
    with pytest.raises(NoRecordError):
        read(riff((b"XMP ", xmp.encode())), "x.webp", tmp_path)


# The programs themselves


def find_imagemagick() -> str | None:
    """ImageMagick's convert; other programs have the name, too."""
    path = shutil.which("convert")
    said = path and subprocess.run([path, "-version"], capture_output=True, check=False).stdout
    return path if said and b"ImageMagick" in said else None


CONVERT, EXIFTOOL = find_imagemagick(), shutil.which("exiftool")


@pytest.mark.skipif(CONVERT is None, reason="ImageMagick is not installed")
def test_imagemagick_puts_the_texts_behind_the_pixels(tmp_path: Path) -> None:
    """Its version 6 drops iTXt chunks, in which genai writes; those of tEXt it writes in UTF-8."""
    data = png(chunk(b"tEXt", b"genai\0" + to_json({**RECORD, "prompt": "猫"}).encode()), PIXELS)
    (tmp_path / "x.png").write_bytes(data)
    subprocess.run([str(CONVERT), "x.png", "-flip", "y.png"], cwd=tmp_path, check=True)
    written = (tmp_path / "y.png").read_bytes()
    assert written.index(b"IDAT") < written.index(b"genai\0")
    assert read_provenance(tmp_path / "y.png").record == {**RECORD, "prompt": "猫"}


@pytest.mark.skipif(CONVERT is None, reason="ImageMagick is not installed")
@pytest.mark.parametrize("to", [".jpg", ".png"])
def test_imagemagick_carries_the_xmp_on(tmp_path: Path, to: str) -> None:
    (tmp_path / "x.jpg").write_bytes(PICTURE.encode(RECORD, ".jpg", GENERATED))
    subprocess.run([str(CONVERT), "x.jpg", "-flip", f"y{to}"], cwd=tmp_path, check=True)
    assert read_provenance(tmp_path / f"y{to}").record == RECORD


@pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed")
@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_exiftool_writes_the_shorthand(tmp_path: Path, suffix: str) -> None:
    record: Record = {**RECORD, "prompt": "a 'cat' & <b>, 猫"}
    path = tmp_path / f"x{suffix}"
    path.write_bytes(PICTURE.encode(record, suffix, GENERATED))
    options = ["-api", "Compact=Shorthand", "-overwrite_original", "-XMP-dc:Title=A title", "-XMP-xmp:Rating=3"]
    subprocess.run([str(EXIFTOOL), *options, path], check=True, capture_output=True)
    assert b"genai:record=" in path.read_bytes()
    assert read_provenance(path).record == record


def test_pillow_writes_the_picture_again(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(PICTURE.encode(RECORD, ".png", GENERATED))
    with Image.open(tmp_path / "x.png") as image:
        texts = PngImagePlugin.PngInfo()
        for name, value in image.info.items():
            if isinstance(value, str):
                texts.add_itxt(name, value, zip=True)
        image.rotate(90).save(tmp_path / "y.png", pnginfo=texts)
    assert json.loads(to_json(read_provenance(tmp_path / "y.png").record or {})) == RECORD
