"""A strip of the steps in which a picture formed, for teaching: one row a picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from genai_cli.gallery.sheet import FAINT, GAP, LINE, SMALL, open_sheet, write_lines

if TYPE_CHECKING:
    from PIL.Image import Image

TILE = 128  # pixels of a step


def draw_steps(strips: "Sequence[Sequence[tuple[str, Image]]]") -> "Image":
    """Each step over its label; the steps of a picture from left to right."""
    from PIL import Image

    height = TILE + LINE + GAP
    sheet, pen = open_sheet(max(map(len, strips)) * (TILE + GAP) + GAP, len(strips) * height + GAP)
    for row, strip in enumerate(strips):
        for column, (label, image) in enumerate(strip):
            x, y = GAP + column * (TILE + GAP), GAP + row * height
            scale = TILE / max(image.size)
            size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
            filter = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
            sheet.paste(image.resize(size, filter), (x, y))
            write_lines(pen, [label], (x, y + TILE + 2), SMALL, FAINT)
    return sheet
