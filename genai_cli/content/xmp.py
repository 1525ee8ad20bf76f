"""Properties of XMP packets in every form of RDF: as elements or attributes, in lists, with qualifiers, nested.

XMP specification part 1, section 7. The packets may be anyone's: no tree is built, and only named properties are kept.
"""

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from genai_cli.content.embedded import MAX_RECORD, is_too_large
from genai_cli.errors import InputError

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
RECORD = "{urn:genai:}record"
EXTENSION = "{http://ns.adobe.com/xmp/note/}HasExtendedXMP"
PADDING = "\0 \t\r\n\ufeff"
BYTE_ORDER_MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


class Collector:
    """Takes the events of a parser, and keeps the texts of the properties asked for; the first of a name holds."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self.wanted = wanted
        self.found: dict[str, str] = {}
        self.owners: list[str | None] = []
        """For each open element the property that its text belongs to."""
        self.texts: dict[str, list[str]] = {}
        """What was read of each open property."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins: one of RDF itself (a list, its items, a value) is part of the property around it."""
        owner = self.owners[-1] if self.owners else None
        if not tag.startswith(RDF):
            owner = tag if tag in self.wanted and tag not in self.found and tag not in self.texts else None
            if owner:
                self.texts[owner] = []
        self.owners.append(owner)
        for name, value in attributes.items():
            if name in self.wanted and value.strip():
                self.found.setdefault(name, value)
            elif owner and name == f"{RDF}value":
                self.texts[owner].append(value)

    def data(self, text: str) -> None:
        """Text of the innermost element."""
        if self.owners and (owner := self.owners[-1]):
            self.texts[owner].append(text)

    def end(self, tag: str) -> None:
        """An element ends."""
        owner = self.owners.pop()
        if owner == tag and (text := "".join(self.texts.pop(owner)).strip()):
            self.found.setdefault(owner, text)


def read_properties(packet: bytes, wanted: frozenset[str], path: Path) -> dict[str, str]:
    """The wanted properties in a packet, by their names with namespace. Raises InputError."""
    if is_too_large(len(packet)):
        raise InputError(f"{path} cannot be read: its XMP is {len(packet) // 10**6} MB, over {MAX_RECORD // 10**6}")
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if packet.startswith(mark)), "utf-8")
    xml = packet.decode(encoding, errors="replace").strip(PADDING)
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise InputError(f"{path} cannot be read: its XMP declares entities")
    collector = Collector(wanted)
    parser = ElementTree.XMLParser(target=collector)
    try:
        parser.feed(xml)
        parser.close()
    except ElementTree.ParseError as error:
        if RECORD in wanted and (record := recover_record(xml)):
            return {RECORD: record}
        raise InputError(f"{path} cannot be read: its XMP is broken: {error}") from None
    return collector.found


def recover_record(xml: str) -> str | None:
    """The record in an attribute that no parser reads: exiftool 12 leaves an apostrophe in it as it stands."""
    prefix = re.search(r"xmlns:([\w.-]{1,50})\s?=\s?['\"]urn:genai:['\"]", xml)
    begin = prefix and re.search(rf"\s{re.escape(prefix[1])}:record\s?=\s?['\"]", xml)
    if not begin:
        return None
    text = html.unescape(xml[begin.end() :])
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return text[:end]
