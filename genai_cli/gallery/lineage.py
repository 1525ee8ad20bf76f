"""What was made from what: results and the files that they were made from find each other by SHA-256, both ways.

A text that became the prompt of another result is found by the hash of that prompt.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from genai_cli.errors import GenaiError
from genai_cli.gallery.collecting import Found, make_original
from genai_cli.gallery.item import DONE, PICTURE, SOUND, Item
from genai_cli.gallery.thumbnails import Thumbnails
from genai_cli.request.request import PROMPT

SHOWN = (PICTURE, SOUND)


@dataclass(frozen=True)
class Relations:
    """The places of the results that an item was made from, and of those that were made from it."""

    sources: list[int] = field(default_factory=list)
    results: list[int] = field(default_factory=list)
    beside: list[int] = field(default_factory=list)
    """Those of the sources beside which a result stands: the pictures and sounds that words and boxes are about."""


def identify(found: Found, thumbnails: Thumbnails) -> list[Item]:
    """The items with the hashes of their files, and the originals that some of them were made from."""
    items = [replace(item, sha256=hash_quietly(item.file, thumbnails)) if item.file else item for item in found.items]
    wanted = {sha256 for item in items for sha256 in item.sources} - {item.sha256 for item in items}
    for file in found.others if wanted else ():
        sha256 = hash_quietly(file, thumbnails)
        if sha256 in wanted and sha256 is not None:
            items.append(make_original(file, sha256))
            wanted.discard(sha256)
    thumbnails.save()
    return items


def hash_quietly(file: Path, thumbnails: Thumbnails) -> str | None:
    """The hash of a file; None where it cannot be read."""
    try:
        return thumbnails.hash_file(file)
    except (OSError, GenaiError):
        return None


def relate(items: Sequence[Item]) -> list[Relations]:
    """The relations of each item."""
    places: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        if item.sha256 is not None:
            places.setdefault(item.sha256, []).append(place)
    texts: dict[str, int] = {}
    for place, item in enumerate(items):
        if item.words and not item.labels:
            texts.setdefault(hash_text(item.words), place)
    relations = [Relations() for _ in items]
    for place, item in enumerate(items):
        sources = [source for sha256 in item.sources for source in places.get(sha256, ())]
        text = texts.get(hash_text(prompt)) if (prompt := item.text(PROMPT)) else None
        sources += [text] if text is not None and may_be_prompt(items[text], item) else []
        for source in dict.fromkeys(sources):
            relations[place].sources.append(source)
            relations[source].results.append(place)
        if item.status == DONE and item.kind not in SHOWN:
            found = [
                [source for source in places.get(sha256, ()) if items[source].kind in SHOWN] for sha256 in item.sources
            ]
            relations[place].beside.extend(dict.fromkeys(sources[0] for sources in found if sources))
    return relations


def may_be_prompt(text: Item, item: Item) -> bool:
    """Whether an item may be made from a text with the words of its prompt: what describes it says the same later."""
    made, used = text.text("created"), item.text("created")
    return (not made or not used or made <= used) and item.sha256 not in list(text.sources)


def hash_text(text: str) -> str:
    """The SHA-256 of a text, as a record holds it; a prompt that is the whole of a result has the same."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
