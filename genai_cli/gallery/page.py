"""One HTML page of a folder's results. It needs no network and no other file, except for whole pictures and sounds.

What it shows stands in blocks of JSON that no browser runs. A strict policy allows this page's own script and style
alone, by their hashes, so that nothing in a prompt or in the name of a file can become more than text.
"""

import base64
import functools
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from genai_cli import __version__
from genai_cli.gallery.item import Item
from genai_cli.gallery.lineage import Relations
from genai_cli.gallery.marks import list_marks
from genai_cli.gallery.remaking import build_command
from genai_cli.gallery.thumbnails import Thumbnail
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from jinja2 import Template

BLOCK = 100  # items in a block of JSON: a browser reads those that it shows
SHOWN_WORDS = 400  # characters of a text on its card
SHOWN_BOXES = 8  # on the picture of a card
GENERATOR = "genai gallery"
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Progress:
    """How far a batch is that still runs: items done and failed, and all of them where that is known."""

    done: int
    failed: int
    total: int | None = None


@dataclass(frozen=True)
class Page:
    """What a page shows, and where it will lie."""

    title: str
    items: Sequence[Item]
    relations: Sequence[Relations]
    file: Path
    progress: Progress | None = None
    """Of a batch that still runs; the page then looks for a newer one of itself."""
    live_tag: str | None = None
    """The tag (ETag) of the page of a server; the page asks for another."""

    def render(self, thumbnails: Iterator[Thumbnail]) -> Iterator[bytes]:
        """The page in pieces; thumbnails are taken as they are made."""
        script, style = read_part("page.js"), read_part("page.css")
        values = {
            "title": self.title,
            "generator": f"{GENERATOR} {__version__}",
            "script": script,
            "style": style,
            "policy": write_policy(script, style, self.live_tag is not None),
            "progress": self.progress,
            "live_tag": self.live_tag,
            "block_size": BLOCK,
            "index": [self.describe(*both) for both in zip(self.items, self.relations, strict=True)],
            "details": self.cut(self.list_details()),
            "thumbnails": self.cut(thumbnail.fields() | {"problem": thumbnail.problem} for thumbnail in thumbnails),
        }
        for piece in load_template().generate(values):
            yield piece.encode(errors="replace")

    def describe(self, item: Item, related: Relations) -> JsonObject:
        """What is searched, filtered and shown on a card. Short names: there may be ten thousand."""
        marks = list_marks(item)[:SHOWN_BOXES] if related.beside else []
        fields = {
            "k": item.kind,
            "t": item.task,
            "p": item.title,
            "x": item.words[:SHOWN_WORDS],
            "l": [[label, round(score, 4)] for label, score in item.labels[:5]],
            "m": item.text("model", "id"),
            "c": item.text("model", "license"),
            "s": item.text("parameters", "seed"),
            "d": item.text("created"),
            "z": "" if item.status == "done" else item.status,
            "e": item.text("error"),
            "f": str(item.file.name) if item.file else "",
            "o": related.beside,
            "b": [mark.brief() for mark in marks],
            "n": item.found_nothing,
        }
        return {name: value for name, value in fields.items() if value}

    def list_details(self) -> Iterator[JsonObject]:
        """What the detail view shows."""
        for item, related in zip(self.items, self.relations, strict=True):
            marks = list_marks(item)
            yield {
                "url": self.link(item.file) if item.file else "",
                "command": build_command(item, item.file),
                "words": item.words,
                "sources": related.sources,
                "results": related.results,
                "boxes": [mark.fields() for mark in marks] if marks or item.found_nothing else None,
                "record": item.record,
            }

    def link(self, file: Path) -> str:
        """The address of a file from the page; never one of another scheme."""
        try:
            relative = os.path.relpath(file, self.file.parent)
        except ValueError:  # another drive
            return file.absolute().as_uri()
        parts = Path(relative).parts
        return "./" + "/".join(quote(os.fsencode(part), safe="") for part in parts)

    @staticmethod
    def cut(entries: Iterator[JsonObject]) -> Iterator[list[JsonObject]]:
        """The entries in blocks."""
        block: list[JsonObject] = []
        for entry in entries:
            block.append(entry)
            if len(block) == BLOCK:
                yield block
                block = []
        if block:
            yield block


@functools.cache
def read_part(name: str) -> str:
    """The script or the style of the page."""
    return (HERE / name).read_text(encoding="utf-8")


def write_policy(script: str, style: str, is_live: bool) -> str:
    """The content security policy: this script and this style, files beside the page, and nothing else.

    A live page may also ask its server for changes.
    """
    beside = "'self' file:"
    rules = {
        "default-src": "'none'",
        "script-src": hash_source(script),
        "style-src": hash_source(style),
        "img-src": f"{beside} data:",
        "media-src": beside,
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    if is_live:
        rules["connect-src"] = "'self'"
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def hash_source(text: str) -> str:
    """The hash by which a policy allows a script or a style (CSP level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@functools.cache
def load_template() -> "Template":
    """The page's template; everything in it is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(autoescape=True, loader=FileSystemLoader(HERE), undefined=StrictUndefined)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "ensure_ascii": False}
    return environment.get_template("page.html.jinja")
