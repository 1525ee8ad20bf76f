"""Boxes around the things in a picture: lines of text, a table, COCO's JSON, or the picture with the boxes drawn."""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self, cast

from genai_cli.content.box_drawing import Box, draw_boxes
from genai_cli.content.content import Gathered
from genai_cli.content.picture import Picture
from genai_cli.content.record import Record
from genai_cli.content.text import Text
from genai_cli.events import Emit, ignore
from genai_cli.harmless import one_line
from genai_cli.request.input import Input
from genai_cli.types import JsonObject

COCO = ".coco.json"
PLACES = ("x", "y", "width", "height")


@dataclass(frozen=True)
class Boxes(Text):
    """Boxes in pixels of the upright picture, best first; the text is a line each: LABEL SCORE X Y WIDTH HEIGHT.

    `source` is that picture, `size` its width and height. What is read from a picture file has `drawn` alone.
    """

    suffixes: ClassVar[tuple[str, ...]] = (*Text.suffixes, *Picture.suffixes)
    written: ClassVar[bool] = False
    wholes: ClassVar[tuple[str, ...]] = (COCO,)

    boxes: tuple[Box, ...] = ()
    size: tuple[int, int] = (0, 0)
    source: Input | None = None
    drawn: Picture | None = None

    @classmethod
    def place(cls, boxes: tuple[Box, ...], source: Input, size: tuple[int, int]) -> Self:
        """Boxes that were found in a picture of this width and height."""
        return cls("\n".join(map(show_box, boxes)), boxes=boxes, size=size, source=source)

    @classmethod
    def holds_record(cls, suffix: str) -> bool:
        """A picture carries the record itself."""
        return suffix not in Text.suffixes

    def sha256(self) -> str:
        """Of the lines, whatever file they go into; of a picture that was read, of its pixels."""
        return super().sha256() if self.drawn is None else self.drawn.sha256()

    def encode(self, record: Record, suffix: str, mark: str | None) -> bytes:
        """The lines as text, or the picture with its boxes. Raises OutputError, InputError."""
        if not self.holds_record(suffix):
            return super().encode(record, suffix, mark)
        return self.draw().encode(record, suffix, mark)

    def draw(self) -> Picture:
        """The picture with its boxes. Raises InputError where its file is gone."""
        if self.drawn is not None:
            return self.drawn
        if self.source is None:
            raise ValueError("boxes without a picture cannot be drawn")
        picture = Picture.read(self.source, ignore)
        return Picture(draw_boxes(picture.pixels, self.boxes), profile=picture.profile)

    def facts(self) -> JsonObject:
        """All boxes, and the size of the picture that they are in."""
        found = [{"label": box.label, "score": box.score, "box": list(box.place)} for box in self.boxes]
        return {"boxes": found, "size": list(self.size)}

    @classmethod
    def read(cls, source: Input, emit: Emit) -> Self:
        """The lines of a text file, or a picture with boxes. Raises InputError."""
        if source.media_type.startswith("image/"):
            return cls("", drawn=Picture.read(source, emit))
        return super().read(source, emit)

    def is_written_as(self, sha256: str) -> bool:
        """Whether the lines are those of that hash; from a drawn picture they cannot be told, so it may be."""
        return self.drawn is not None or super().is_written_as(sha256)

    @classmethod
    def lines(cls, record: Mapping[str, object], title: str | None) -> Iterator[str]:
        end = "" if title is None else f"\t{one_line(title)}"
        for box in list_boxes(record):
            yield show_box(box) + end

    @classmethod
    def columns(cls, count: int) -> list[str]:
        del count
        return ["label", "score", *PLACES]

    @classmethod
    def cells(cls, record: Mapping[str, object], count: int) -> list[object]:
        """The best box."""
        return next(iter(cls.rows(record, count)))

    @classmethod
    def rows(cls, record: Mapping[str, object], count: int) -> list[list[object]]:
        """A row a box; a picture in which nothing was found keeps one row without an answer."""
        boxes = list_boxes(record)
        empty: list[object] = [None] * len(cls.columns(count))
        return [[box.label, box.score, *box.place] for box in boxes] or [empty]

    @classmethod
    def gather(cls, suffix: str, records: Callable[[], Iterator[JsonObject]], count: int) -> Gathered:
        """All results as COCO's JSON."""
        del suffix, count
        return Gathered(piece.encode(errors="replace") for piece in cls.show_as_coco(records))

    @classmethod
    def show_as_coco(cls, records: Callable[[], Iterator[JsonObject]]) -> Iterator[str]:
        """COCO's JSON (https://cocodataset.org/#format-data) in pieces, with a `score` for each annotation.

        A picture of which nothing is known, since its row failed, is left out.
        """
        known = sorted({box.label for record in records() for box in list_boxes(record)})
        numbers = {name: number for number, name in enumerate(known, 1)}
        yield '{"images": ['
        yield from join_lines(describe_image(number, record) for number, record in number_pictures(records()))
        yield '],\n"annotations": ['
        places = ((number, box) for number, record in number_pictures(records()) for box in list_boxes(record))
        yield from join_lines(
            {
                "id": annotation,
                "image_id": number,
                "category_id": numbers[box.label],
                "bbox": list(box.place),
                "area": round(box.width * box.height, 2),
                "iscrowd": 0,
                "score": box.score,
            }
            for annotation, (number, box) in enumerate(places, 1)
        )
        yield '],\n"categories": ['
        yield from join_lines({"id": number, "name": name} for name, number in numbers.items())
        yield "]}\n"


def show_box(box: Box) -> str:
    """A box as a line: LABEL SCORE X Y WIDTH HEIGHT, with tabs between them."""
    places = "\t".join(f"{value:.1f}" for value in box.place)
    return f"{one_line(box.label)}\t{box.score:.4f}\t{places}"


def list_boxes(record: Mapping[str, object]) -> list[Box]:
    """The boxes in a record; none where nothing was found or made."""
    stated = cast(list[JsonObject], record.get("boxes", []))
    return [Box(str(one["label"]), float(one["score"]), *map(float, one["box"])) for one in stated]


def number_pictures(records: Iterable[Mapping[str, object]]) -> Iterator[tuple[int, Mapping[str, object]]]:
    """The records that hold a picture's boxes, from 1 on."""
    return enumerate((record for record in records if "boxes" in record), 1)


def describe_image(number: int, record: Mapping[str, object]) -> JsonObject:
    """A picture as COCO's JSON names it."""
    width, height = cast(list[int], record["size"])
    inputs = cast(dict[str, JsonObject], record["inputs"])
    name = next(str(stated["name"]) for stated in inputs.values())
    return {"id": number, "file_name": name, "width": width, "height": height}


def join_lines(objects: Iterable[JsonObject]) -> Iterator[str]:
    """Objects of a JSON list, a line each."""
    dump = functools.partial(json.dumps, ensure_ascii=False)
    for place, one in enumerate(objects):
        yield ("\n" if not place else ",\n") + dump(one)
