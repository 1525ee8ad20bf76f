"""The few texts of EXIF in which tools for pictures leave their parameters.

EXIF is a TIFF structure (TIFF 6.0, section 2). It may be anyone's: two directories are read, and no other.
"""

import struct
from collections.abc import Iterator

from genai_cli.content.embedded import MAX_STATED, decode_text

USER_COMMENT, MAKER_NOTE, EXIF_DIRECTORY = 0x9286, 0x927C, 0x8769
NAMES = {0x010E: "imagedescription", 0x010F: "make", 0x0110: "model", 0x0131: "software", MAKER_NOTE: "makernote"}
NAMES |= {USER_COMMENT: "usercomment", 0x9C9C: "xpcomment"}
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1, 13: 4}  # bytes a value, by type
CODES = {b"ASCII\0\0\0": None, b"JIS\0\0\0\0\0": "iso2022_jp", b"UNICODE\0": "utf-16", b"\0" * 8: None}


def read_exif(data: bytes) -> dict[str, str]:
    """The texts by their names in lower case; {} if it is broken."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return {}
    found: dict[str, str] = {}
    try:
        (first,) = struct.unpack_from(f"{order}I", data, 4)
        directories = [first]
        for number in range(2):
            for tag, value in list_entries(data, order, directories[number]):
                if tag == EXIF_DIRECTORY and number == 0:
                    directories.append(struct.unpack(f"{order}I", value)[0])
                elif tag in NAMES:
                    text = decode_value(tag, value, order)
                    found.setdefault(NAMES[tag], text) if text else None
    except (struct.error, IndexError):
        pass  # it ends before it says, or has one directory
    return found


def list_entries(data: bytes, order: str, at: int) -> Iterator[tuple[int, bytes]]:
    """The first entry of each tag that is read, with the bytes of its value, in a directory."""
    (count,) = struct.unpack_from(f"{order}H", data, at)
    left = {EXIF_DIRECTORY, *NAMES}
    for number in range(count):
        entry = at + 2 + 12 * number
        tag, kind, values = struct.unpack_from(f"{order}HHI", data, entry)
        if tag not in left:
            continue
        left.remove(tag)
        size = SIZES.get(kind, 0) * values
        begin = entry + 8 if size <= 4 else struct.unpack_from(f"{order}I", data, entry + 8)[0]
        if 0 < size <= min(MAX_STATED, len(data) - begin):
            yield tag, data[begin : begin + size]


def decode_value(tag: int, value: bytes, order: str) -> str:
    """The text of an entry."""
    if tag == 0x9C9C:
        return value.decode("utf-16-le", errors="replace").strip("\0 ")
    if tag != USER_COMMENT or value[:8] not in CODES:
        return decode_text(value.strip(b"\0 "))
    code, text = CODES[value[:8]], value[8:]
    if code == "utf-16":
        return decode_unicode(text, order).strip("\0 ")
    return text.decode(code, errors="replace").strip() if code else decode_text(text.strip(b"\0 "))


def decode_unicode(data: bytes, order: str) -> str:
    """Text marked as UNICODE: UTF-16 in either order whatever the file's is, or what some tools write, UTF-8."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    if data[:3] == b"\xef\xbb\xbf":
        return data.decode("utf-8-sig", errors="replace")
    big, little = data[::2].count(0), data[1::2].count(0)  # the upper half of an ASCII character is 0
    if big == little == 0 and (b"Steps:" in data or data.startswith(b"{")):
        return decode_text(data)
    is_big = big > little or (big == little and order == ">")
    return data.decode("utf-16-be" if is_big else "utf-16-le", errors="replace")
