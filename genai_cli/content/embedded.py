"""What a picture file holds beside its pixels: texts, XMP packets and EXIF, as its container keeps them."""

from dataclasses import dataclass, field
from pathlib import Path

from genai_cli.errors import InputError

MAX_HEAD = 32_000_000  # bytes: all texts of a picture together
MAX_RECORD = 10_000_000  # bytes: one text, one packet, one record
MAX_STATED = 2_000_000  # bytes: what another tool states, which is thousands; more is shown and not parsed
MAX_TEXTS = 1000  # with keywords of their own
GENAI = "genai"  # the keyword of the record


@dataclass
class Embedded:
    """The texts of a picture by their keywords in lower case, its XMP packets, and its EXIF (a TIFF structure)."""

    texts: dict[str, str] = field(default_factory=dict)
    packets: list[bytes] = field(default_factory=list)
    exif: bytes = b""

    def is_empty(self) -> bool:
        """Whether nothing was found."""
        return not (self.texts or self.packets or self.exif)

    def add_text(self, keyword: str, text: str) -> None:
        """Keep a text; of several with one keyword the last one holds."""
        if keyword in self.texts or keyword == GENAI or len(self.texts) < MAX_TEXTS:
            self.texts[keyword] = text

    def add_exif(self, data: bytes) -> None:
        """Keep an EXIF block, with or without the marker that JPEG puts in front; the first one holds."""
        self.exif = self.exif or data.removeprefix(b"Exif\0\0")


def check_head(size: int, path: Path) -> None:
    """Raise InputError if the texts of a picture are larger than what is read."""
    if size > MAX_HEAD:
        raise InputError(f"{path} cannot be read: more than {MAX_HEAD // 10**6} MB of texts")


def is_too_large(size: int) -> bool:
    """Whether a text is larger than any record."""
    return size > MAX_RECORD


def decode_text(data: bytes) -> str:
    """Text of no stated encoding: UTF-8, which most tools write whatever a format says; else Latin-1."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
