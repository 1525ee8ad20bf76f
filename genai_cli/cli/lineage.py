"""`genai show FILE --lineage`: what a file was made from, and what was made from it, as the records at hand tell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genai_cli.errors import InputError
from genai_cli.gallery.collecting import collect_items
from genai_cli.gallery.item import ORIGINAL, Item
from genai_cli.gallery.lineage import Relations, identify, relate
from genai_cli.gallery.thumbnails import Thumbnails
from genai_cli.harmless import one_line
from genai_cli.types import JsonObject

SHOWN_DIGITS = 12  # of a hash


@dataclass(frozen=True)
class Lineage:
    """A file among the results of its folder."""

    items: Sequence[Item]
    relations: Sequence[Relations]
    place: int

    def lines(self) -> Iterator[str]:
        """The tree of what it was made from, then of what was made from it."""
        yield self.describe(self.place)
        yield from self.branch(self.place, "sources", "made from", "  ", {self.place})
        yield from self.branch(self.place, "results", "made into", "  ", {self.place})

    def branch(self, place: int, side: str, words: str, indent: str, seen: set[int]) -> Iterator[str]:
        """One direction of the tree, each result once."""
        for other in getattr(self.relations[place], side):
            if other not in seen:
                seen.add(other)
                yield f"{indent}{words} {self.describe(other)}"
                yield from self.branch(other, side, words, f"{indent}  ", seen)
        if side == "sources":
            for stated in self.list_missing(place):
                name, sha256 = one_line(str(stated.get("name"))), str(stated.get("sha256"))[:SHOWN_DIGITS]
                yield f"{indent}{words} {name} (sha256 {one_line(sha256)}..., not at hand)"

    def list_missing(self, place: int) -> list[JsonObject]:
        """The files that a result was made from and that are not at hand."""
        known = {self.items[source].sha256 for source in self.relations[place].sources}
        return [stated for stated in self.items[place].inputs.values() if stated.get("sha256") not in known]

    def describe(self, place: int) -> str:
        """A result in a line."""
        item = self.items[place]
        name = item.file.name if item.file else item.text("id")
        told = "not made by genai" if item.status == ORIGINAL else f"{item.task}, {item.text('model', 'id')}"
        title = f": {item.title}" if item.text("prompt") else ""
        return one_line(f"{name} ({told}){title}")

    def as_json(self) -> JsonObject:
        """The direct relations, by file, task and hash."""
        related = self.relations[self.place]
        sides = {"made_from": related.sources, "made_into": related.results}
        return {
            "file": str(self.items[self.place].file),
            **{side: [self.name(place) for place in places] for side, places in sides.items()},
            "missing": self.list_missing(self.place),
        }

    def name(self, place: int) -> JsonObject:
        """A result as JSON."""
        item = self.items[place]
        file = None if item.file is None else str(item.file)
        return {"file": file, "task": item.text("task") or None, "sha256": item.sha256}


def find_lineage(file: Path) -> Lineage:
    """The lineage of a file among the results of its folder. Raises InputError where it is not a result."""
    folder = file.parent
    items = identify(collect_items(folder), Thumbnails(folder))
    place = next((at for at, item in enumerate(items) if item.file is not None and is_same(item.file, file)), None)
    if place is None:
        raise InputError(f"nothing in {folder} was made from {file}, and it has no genai record")
    return Lineage(items, relate(items), place)


def is_same(first: Path, second: Path) -> bool:
    """Whether two paths are one file."""
    try:
        return first.samefile(second)
    except OSError:
        return False
