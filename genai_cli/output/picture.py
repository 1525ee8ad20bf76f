"""Pictures as PNG, JPEG and WebP that carry their record, and say that they were generated."""

import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from genai_cli.errors import OutputError
from genai_cli.output.record import DIGITAL_SOURCE_TYPE, Record, to_json

LOSSY_QUALITY = 95
# The names under which image tools know the schedulers.
SAMPLER_NAMES = {
    "pndm": "PNDM",
    "ddim": "DDIM",
    "euler": "Euler",
    "euler-a": "Euler a",
    "heun": "Heun",
    "dpm++2m": "DPM++ 2M",
    "dpm++2m-karras": "DPM++ 2M Karras",
    "dpm++sde": "DPM++ SDE",
    "unipc": "UniPC",
    "lcm": "LCM",
}
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
class Picture:
    """RGB of shape (height, width, 3), uint8."""

    pixels: Any

    def sha256(self) -> str:
        """Of the pixels, row by row."""
        return hashlib.sha256(self.pixels.tobytes()).hexdigest()

    def encode(self, record: Record, suffix: str) -> bytes:
        """The file's bytes in the format of the suffix. Raises OutputError where the format cannot carry the record."""
        from PIL import Image

        image = Image.fromarray(self.pixels)
        stream = io.BytesIO()
        if suffix == ".png":
            image.save(stream, "PNG", pnginfo=png_texts(record))
        else:
            packet = xmp_packet(record, with_record=True).encode()
            kind = "WEBP" if suffix == ".webp" else "JPEG"
            try:
                image.save(stream, kind, quality=LOSSY_QUALITY, xmp=packet)
            except ValueError as error:
                raise OutputError(
                    f"the record does not fit into a {kind} file: {error}", hint="write .png, or use --no-metadata"
                ) from error
        return stream.getvalue()


def png_texts(record: Record) -> Any:
    """The three carriers in a PNG: the record, the `parameters` of image tools, and the XMP packet."""
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    texts.add_itxt("genai", to_json(record))
    if "prompt" in record:
        texts.add_text("parameters", parameters_text(record))
    texts.add_itxt("XML:com.adobe.xmp", xmp_packet(record, with_record=False))
    return texts


def xmp_packet(record: Record, *, with_record: bool) -> str:
    """An XMP packet that marks the file as generated (IPTC DigitalSourceType), on request with the record in it."""
    # ASCII JSON: every character of a prompt is then allowed in XML.
    text = f"\n   <genai:record>{escape(to_json(record, ascii_only=True))}</genai:record>" if with_record else ""
    return XMP.format(version=escape(record["genai"]), source_type=DIGITAL_SOURCE_TYPE, record=text)


def parameters_text(record: Record) -> str:
    """The form that image tools read: prompt, negative prompt, then `Steps: .., Sampler: .., ...` on the last line."""
    parameters = record["parameters"]
    sampler = str(parameters.get("scheduler"))
    values = {
        "Steps": parameters.get("num_inference_steps"),
        "Sampler": SAMPLER_NAMES.get(sampler, sampler),
        "CFG scale": parameters.get("guidance_scale"),
        "Seed": parameters.get("seed"),
        "Size": f"{parameters.get('width')}x{parameters.get('height')}",
        "Model": record["model"]["id"],
    }
    negative = f"\nNegative prompt: {parameters['negative_prompt']}" if parameters.get("negative_prompt") else ""
    last = ", ".join(f"{name}: {quoted(value)}" for name, value in values.items() if value is not None)
    return f"{record['prompt']}{negative}\n{last}"


def quoted(value: Any) -> str:
    """A value of the last line, quoted where it would break the line."""
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ',:\n"') else text
