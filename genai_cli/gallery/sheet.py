"""A contact sheet: results on one picture or page, each over its label; a grid has its axes named.

The bytes depend on the results and the versions of the libraries alone: no date and no path is in them.
"""

import io
import time
from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.atomic import make_process_tag, replace_file
from genai_cli.content.picture import Picture
from genai_cli.content.sound import Sound
from genai_cli.content.sound_views import draw_spectrogram
from genai_cli.errors import GenaiError, InputError
from genai_cli.events import ignore
from genai_cli.gallery.axes import Grid, find_axes, find_grid, list_fields, tell_value
from genai_cli.gallery.item import PICTURE, SOUND, Item
from genai_cli.harmless import one_line, remove_controls
from genai_cli.request.input import Input
from genai_cli.request.request import PROMPT
from genai_cli.store.writer import make_write_error

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

Place = tuple[int, int]
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".pdf": "PDF"}
MOST = 1000  # results on a sheet
TILE, GAP = 200, 12  # pixels
SMALL, LARGE = 12, 14  # pixels of letters
LINE = 16  # pixels between two lines
LABEL_LINES = 4
COLUMNS = 4  # at least, where there are so many results
PAPER, INK, FAINT, BAD = (255, 255, 255), (27, 31, 36), (87, 96, 106), (179, 38, 30)
SPECTRUM = (TILE, 96)
EPOCH = time.gmtime(0)


def choose_format(file: Path) -> str:
    """The format that a sheet's name asks for. Raises InputError."""
    if file.suffix.lower() not in FORMATS:
        raise InputError(f"cannot write a sheet to {str(file)!r}", hint=f"one of {', '.join(FORMATS)}")
    return FORMATS[file.suffix.lower()]


def write_sheet(items: Sequence[Item], file: Path) -> None:
    """Lay out results and write the sheet in one step. Raises InputError, OutputError."""
    choose_format(file)
    if not items:
        raise InputError("there are no results for a sheet")
    if len(items) > MOST:
        raise InputError(f"{len(items)} results do not fit on a sheet", hint=f"at most {MOST} do")
    grid = find_grid(items)
    sheet = draw_grid(items, grid) if grid else draw_flow(items)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, encode_sheet(sheet, file), make_process_tag())
    except OSError as error:
        raise make_write_error(file, error) from error


def encode_sheet(sheet: "Image", file: Path) -> bytes:
    """A sheet's bytes in the format of its name. Raises InputError."""
    form, stream = choose_format(file), io.BytesIO()
    if form == "PDF":
        sheet.save(stream, form, creationDate=EPOCH, modDate=EPOCH, quality=92)
    else:
        sheet.save(stream, form, **({"quality": 92} if form == "JPEG" else {"optimize": True}))
    return stream.getvalue()


def draw_flow(items: Sequence[Item]) -> "Image":
    """Results one after the other, each over its prompt and what tells it from the others."""
    columns = min(len(items), max(COLUMNS, ceil(sqrt(len(items)))))
    _, pen = open_sheet(1, 1)
    labels = write_labels(items, pen)
    height = TILE + max(map(len, labels)) * LINE + 2 * GAP
    sheet, pen = open_sheet(columns * (TILE + GAP) + GAP, ceil(len(items) / columns) * height + GAP)
    for number, (item, label) in enumerate(zip(items, labels, strict=True)):
        x, y = GAP + number % columns * (TILE + GAP), GAP + number // columns * height
        draw_item(sheet, pen, item, (x, y))
        write_lines(pen, label, (x, y + TILE + 4), SMALL, FAINT)
    return sheet


def write_labels(items: Sequence[Item], pen: "ImageDraw") -> list[list[str]]:
    """The lines below each result: its prompt, and where all are of one task what tells them apart."""
    is_one_task = len({item.task for item in items}) == 1
    differing = [axis.name for axis in find_axes(items) if axis.name != PROMPT] if is_one_task else []
    labels = []
    for item in items:
        fields = list_fields(item)
        told = ", ".join(tell_value(item, name, fields[name]) for name in differing if fields.get(name) is not None)
        prompt = wrap_text(pen, one_line(item.title), SMALL, TILE)[: LABEL_LINES - 1]
        labels.append([*prompt, *wrap_text(pen, one_line(told), SMALL, TILE)][:LABEL_LINES])
    return labels


def draw_grid(items: Sequence[Item], grid: Grid) -> "Image":
    """Results by their values: the last axis to the right, the others down, each with its name."""
    across, down = grid.axes[-1], grid.axes[:-1]
    margin, top = TILE, 3 * LINE
    rows = grid.rows
    sheet, pen = open_sheet(margin + len(across.values) * (TILE + GAP) + GAP, top + len(rows) * (TILE + GAP) + GAP)
    for column, value in enumerate(across.values):
        label = wrap_text(pen, one_line(tell_value(items[0], across.name, value)), LARGE, TILE)[:2]
        write_lines(pen, label, (margin + column * (TILE + GAP), GAP), LARGE, INK)
    for row, values in enumerate(rows):
        y = top + row * (TILE + GAP)
        labels = [tell_value(items[0], axis.name, value) for axis, value in zip(down, values, strict=True)]
        lines = [line for label in labels for line in wrap_text(pen, one_line(label), LARGE, margin - 2 * GAP)]
        write_lines(pen, lines[: TILE // LINE], (GAP, y), LARGE, INK)
        for column, value in enumerate(across.values):
            draw_item(sheet, pen, items[grid.cells[(*values, value)]], (margin + column * (TILE + GAP), y))
    return sheet


def open_sheet(width: int, height: int) -> "tuple[Image, ImageDraw]":
    """An empty sheet, and what draws on it."""
    from PIL import Image, ImageDraw

    sheet = Image.new("RGB", (width, height), PAPER)
    return sheet, ImageDraw.Draw(sheet)


def draw_item(sheet: "Image", pen: "ImageDraw", item: Item, place: Place) -> None:
    """A result in its tile: the picture, the spectrogram, the text, the labels, or what went wrong."""
    problem = item.text("error")
    try:
        if item.file is not None and item.kind in (PICTURE, SOUND):
            tile = draw_tile(Input.read(item.file, item.file.name), item.kind)
            x, y = place[0] + (TILE - tile.width) // 2, place[1] + (TILE - tile.height) // 2
            sheet.paste(tile, (x, y))
            return
    except GenaiError as error:
        problem = error.message
    words = "\n".join(f"{label} {score:.4f}" for label, score in item.labels) or remove_controls(item.words)
    lines = [line for part in (problem or words).splitlines() for line in wrap_text(pen, part, SMALL, TILE - GAP)]
    pen.rectangle((*place, place[0] + TILE - 1, place[1] + TILE - 1), outline=(208, 215, 222))
    inside = (place[0] + GAP // 2, place[1] + GAP // 2)
    write_lines(pen, lines[: TILE // LINE - 1], inside, SMALL, BAD if problem else INK)


def draw_tile(source: Input, kind: str) -> "Image":
    """A picture, or a sound's spectrogram, as large as a tile at most. Raises InputError."""
    import numpy
    from PIL import Image

    if kind == SOUND:
        levels = draw_spectrogram(Sound.read(source, ignore), *SPECTRUM)
        return Image.fromarray((255 - levels * 255).astype(numpy.uint8)).convert("RGB")
    image = Image.fromarray(Picture.read(source, ignore).pixels)
    growth = TILE // max(image.size)
    if growth > 1:
        return image.resize((image.width * growth, image.height * growth), Image.Resampling.NEAREST)
    image.thumbnail((TILE, TILE))
    return image


def wrap_text(pen: "ImageDraw", text: str, size: int, width: int) -> list[str]:
    """A text in lines of so many pixels; a word that is wider is cut."""
    font, lines, line = load_font(size), [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and pen.textlength(longer, font=font) > width:
            lines.append(line)
            line = word
        else:
            line = longer
        while pen.textlength(line, font=font) > width and len(line) > 1:
            cut = next(at for at in range(len(line), 0, -1) if at == 1 or pen.textlength(line[:at], font=font) <= width)
            lines.append(line[:cut])
            line = line[cut:]
    return [*lines, line] if line else lines


def write_lines(pen: "ImageDraw", lines: Sequence[str], place: Place, size: int, colour: tuple[int, int, int]) -> None:
    """Lines of text, top down."""
    for number, line in enumerate(lines):
        pen.text((place[0], place[1] + number * LINE), line, fill=colour, font=load_font(size))


def load_font(size: int) -> "FreeTypeFont | ImageFont":
    """The font that Pillow brings: the same on every machine. It has the letters of Latin scripts alone."""
    from PIL import ImageFont as fonts

    return fonts.load_default(size)
