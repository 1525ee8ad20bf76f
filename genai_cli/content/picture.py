"""Pictures as PNG, JPEG and WebP that carry their record, and say that they were generated."""

import functools
import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self, cast

from genai_cli.content.content import Content, FilteredError
from genai_cli.content.parameters_text import parameters_text
from genai_cli.content.record import Record, to_json
from genai_cli.errors import InputError, OutputError, ResultError
from genai_cli.events import Detail, Emit, Notice
from genai_cli.request.input import Input

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.PngImagePlugin import PngInfo

MAX_PIXELS = 170_000_000  # of a picture that is read: a gigabyte while it is turned into RGB; Pillow stops soon after
MAX_BYTES = 500_000_000
READ_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP")
LOSSY_QUALITY = 95
XMP = """<?xpacket begin="\N{ZERO WIDTH NO-BREAK SPACE}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:genai="urn:genai:">
   <xmp:CreatorTool>genai {version}</xmp:CreatorTool>
   <Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>{record}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


@dataclass(frozen=True)
class Picture(Content):
    """RGB of shape (height, width, 3): uint8, or as a model makes it, float from 0 to 1.

    `filtered` says that the model's safety checker blanked it.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".webp")
    exact: ClassVar[frozenset[str]] = frozenset({"image/png"})

    values: "NDArray[np.uint8] | NDArray[np.float32]"
    filtered: bool = False

    @functools.cached_property
    def pixels(self) -> "NDArray[np.uint8]":
        """The values as they are written."""
        if self.values.dtype == "uint8":
            return cast("NDArray[np.uint8]", self.values)
        return (self.values * 255).round().astype("uint8")

    def check(self) -> None:
        """Raise ResultError for a picture that is not finite, of a single colour, or filtered."""
        import numpy

        if self.filtered:
            hint = "try another prompt or seed, or --no-safety"
            raise FilteredError("the model's safety checker blanked the picture", hint=hint)
        if not numpy.isfinite(self.values).all():
            hint = "try --dtype float32, another --scheduler or more --steps"
            raise ResultError("the picture is not finite (NaN)", hint=hint)
        if float(self.values.max() - self.values.min()) < 1 / 255:
            raise ResultError("the picture is a single colour", hint="try --dtype float32, or another seed")

    def sha256(self) -> str:
        """Of the pixels, row by row."""
        import hashlib

        return hashlib.sha256(self.pixels.tobytes()).hexdigest()

    def encode(self, record: Record, suffix: str, mark: str | None) -> bytes:
        """The file's bytes in the format of the suffix. Raises OutputError where the format cannot carry the record."""
        from PIL import Image

        image = Image.fromarray(self.pixels)
        stream = io.BytesIO()
        if suffix == ".png":
            image.save(stream, "PNG", pnginfo=png_texts(record, mark))
        else:
            packet = xmp_packet(record, mark, with_record=True).encode()
            format_name = "WEBP" if suffix == ".webp" else "JPEG"
            try:
                image.save(stream, format_name, quality=LOSSY_QUALITY, xmp=packet)
            except ValueError as error:
                raise OutputError(
                    f"the record does not fit into a {format_name} file: {error}",
                    hint="write .png, or use --no-metadata",
                ) from error
        return stream.getvalue()

    @classmethod
    def read(cls, source: Input, emit: Emit) -> Self:
        """The first frame of a picture file as plain RGB, upright. Raises InputError."""
        import numpy
        from PIL import Image, ImageOps, UnidentifiedImageError

        if source.size > MAX_BYTES:
            raise InputError(f"{source.name} cannot be read: it is over {MAX_BYTES // 10**6} MB")
        try:
            with warnings.catch_warnings(), source.open() as stream:
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # bounded below, before decoding
                with Image.open(stream, formats=READ_FORMATS) as image:
                    check_size(image, source.name)
                    if getattr(image, "n_frames", 1) > 1:
                        emit(Notice(f"{source.name} has {image.n_frames} frames; the first is taken"))  # type: ignore[attr-defined]
                    image.load()
                    upright = ImageOps.exif_transpose(image)
                    return cls(numpy.asarray(to_rgb(upright, source.name, emit)))
        except UnidentifiedImageError:
            raise InputError(f"{source.name} cannot be read: not a picture of a known type") from None
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
            raise InputError(f"{source.name} cannot be read: {error}") from None

    @classmethod
    def keeps(cls, source: Input) -> bool:
        """Whether a file keeps pixels exactly: a PNG, or a lossless WebP (its container's specification, VP8L)."""
        if source.media_type == "image/webp":
            with source.open() as stream:
                return b"VP8L" in stream.read(4096)
        return super().keeps(source)


def check_size(image: "Image", name: str) -> None:
    """Raise InputError for a picture of too many pixels, before any is decoded."""
    if image.width * image.height > MAX_PIXELS:
        what = f"{image.width}x{image.height} pixels"
        raise InputError(f"{name} cannot be read: {what} are over {MAX_PIXELS // 10**6} million")


def to_rgb(image: "Image", name: str, emit: Emit) -> "Image":
    """Any picture in 8 bits of red, green and blue; what was done is a detail."""
    if image.mode == "RGB":
        return image
    emit(Detail(f"{name} is {image.mode} and is read as RGB"))
    if image.mode.startswith("I"):  # 16 bits, in one of several orders
        import numpy
        from PIL import Image

        upper = numpy.asarray(image.convert("I")).clip(0, 65535) // 256
        return Image.fromarray(upper.astype("uint8")).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def png_texts(record: Record, mark: str | None) -> "PngInfo":
    """The three carriers in a PNG: the record, the `parameters` of image tools, and the XMP packet."""
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_itxt("genai", to_json(record))
    if "prompt" in record:
        texts.add_text("parameters", parameters_text(record))
    texts.add_itxt("XML:com.adobe.xmp", xmp_packet(record, mark, with_record=False))
    return texts


def xmp_packet(record: Record, mark: str | None, *, with_record: bool) -> str:
    """An XMP packet that marks the file as generated (IPTC DigitalSourceType), on request with the record in it."""
    from xml.sax.saxutils import escape

    # ASCII JSON: every character of a prompt is then allowed in XML.
    text = f"\n   <genai:record>{escape(to_json(record, ascii_only=True))}</genai:record>" if with_record else ""
    return XMP.format(version=escape(record["genai"]), source_type=mark or "", record=text)
