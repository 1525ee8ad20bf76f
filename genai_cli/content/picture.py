"""Pictures as PNG, JPEG and WebP that carry their record, and say that they were generated."""

import functools
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self, cast

from genai_cli.content.content import Content, FilteredError
from genai_cli.content.parameters_text import parameters_text
from genai_cli.content.picture_reading import find_profile, open_picture, to_rgb
from genai_cli.content.record import Record, to_json
from genai_cli.errors import OutputError, ResultError
from genai_cli.events import Emit
from genai_cli.request.input import Input

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.PngImagePlugin import PngInfo

LOSSY_QUALITY = 95
XMP = """<?xpacket begin="\N{ZERO WIDTH NO-BREAK SPACE}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:genai="urn:genai:">
   <xmp:CreatorTool>genai {version}</xmp:CreatorTool>
   {source}{record}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


@dataclass(frozen=True)
class Picture(Content):
    """RGB of shape (height, width, 3): uint8, or as a model makes it, float from 0 to 1.

    `filtered` says that the model's safety checker blanked it. `profile` is the ICC profile of its colours, if they
    are not those of sRGB.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".webp")
    exact: ClassVar[frozenset[str]] = frozenset({"image/png"})

    values: "NDArray[np.uint8] | NDArray[np.float32]"
    filtered: bool = False
    profile: bytes | None = None

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
        if self.values.dtype != "uint8" and not numpy.isfinite(self.values).all():
            hint = "try --dtype float32, another --scheduler or more --steps"
            raise ResultError("the picture is not finite (NaN)", hint=hint)
        if float(self.values.max() - self.values.min()) < 1 / 255:
            raise ResultError("the picture is a single colour", hint="try --dtype float32, or another seed")

    def sha256(self) -> str:
        """Of the pixels, row by row."""
        import hashlib

        import numpy

        rows = numpy.ascontiguousarray(self.pixels).data  # of most pictures no copy
        return hashlib.sha256(rows).hexdigest()

    def encode(self, record: Record, suffix: str, mark: str | None) -> bytes:
        """The file's bytes in the format of the suffix. Raises OutputError where the format cannot carry the record."""
        from PIL import Image

        image = Image.fromarray(self.pixels)
        stream = io.BytesIO()
        if suffix == ".png":
            image.save(stream, "PNG", pnginfo=png_texts(record, mark), icc_profile=self.profile)
        else:
            packet = xmp_packet(record, mark, with_record=True).encode()
            format_name = "WEBP" if suffix == ".webp" else "JPEG"
            try:
                image.save(stream, format_name, quality=LOSSY_QUALITY, xmp=packet, icc_profile=self.profile)
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

        with open_picture(source, emit) as image:
            return cls(numpy.asarray(to_rgb(image, source.name, emit)), profile=find_profile(image))

    @classmethod
    def keeps(cls, source: Input) -> bool:
        """Whether a file keeps pixels exactly: a PNG, or a lossless WebP (its container's specification, VP8L)."""
        if source.media_type == "image/webp":
            with source.open() as stream:
                return b"VP8L" in stream.read(4096)
        return super().keeps(source)


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
    """An XMP packet that marks the file as generated (IPTC DigitalSourceType), on request with the record in it.

    Without a mark it says nothing of how the picture came about.
    """
    from xml.sax.saxutils import escape

    # ASCII JSON: every character of a prompt is then allowed in XML.
    text = f"\n   <genai:record>{escape(to_json(record, ascii_only=True))}</genai:record>" if with_record else ""
    source = f"<Iptc4xmpExt:DigitalSourceType>{mark}</Iptc4xmpExt:DigitalSourceType>" if mark else ""
    return XMP.format(version=escape(record["genai"]), source=source, record=text)
