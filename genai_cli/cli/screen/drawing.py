"""Pictures as a terminal takes them: by a protocol of its own, or as half blocks in colour.

No library fits: textual-image is under the LGPL and needs Python 3.12, and most of it is for Textual's own widgets.
"""

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from genai_cli.cli.screen.terminal import BLOCKS, ITERM, KITTY, SIXEL, Screen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

ROWS_KEPT = 3  # of the window, for the path and the prompt
PIECE = 4096  # characters of base64 that kitty takes at once
LEAST = 256  # pixels: a smaller picture is enlarged
BAND = 6  # rows of pixels in a row of sixels
RUN, EMPTY = re.compile(r"(.)\1{3,}"), "?"  # of sixels
HALF = "▀"
RESET = "\x1b[0m"
# Kitty's placeholder for a cell of a picture, and the marks that number rows, columns and pictures (62 of its 297).
PLACEHOLDER = "\U0010eeee"
MARK_RANGES = (
    *((0x305, 0x305), (0x30D, 0x30E), (0x310, 0x310), (0x312, 0x312), (0x33D, 0x33F), (0x346, 0x346), (0x34A, 0x34C)),
    *((0x350, 0x352), (0x357, 0x357), (0x35B, 0x35B), (0x363, 0x36F), (0x483, 0x487), (0x592, 0x595), (0x597, 0x599)),
    *((0x59C, 0x5A1), (0x5A8, 0x5A9), (0x5AB, 0x5AC), (0x5AF, 0x5AF), (0x5C4, 0x5C4), (0x610, 0x617)),
)
MARKS = "".join(chr(code) for first, last in MARK_RANGES for code in range(first, last + 1))
STEPS = (0, 95, 135, 175, 215, 255)  # of the colour cube in 256 colours (xterm)


def draw_picture(pixels: "NDArray[np.uint8]", screen: Screen) -> str:
    """A picture of shape (height, width, 3) for the screen, no larger than its window."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if screen.protocol == BLOCKS:
        return draw_blocks(image, screen)
    width, height = image.size
    growth = max(1, LEAST // max(width, height))
    columns, rows = fit_cells(width * growth, height * growth, screen)
    size = (columns * screen.cell[0], rows * screen.cell[1])
    if screen.protocol == SIXEL:
        size = (size[0], max(BAND, size[1] // BAND * BAND))
    shown = image.resize(size, choose_filter(growth))
    drawn = {KITTY: draw_kitty, ITERM: draw_iterm, SIXEL: draw_sixel}[screen.protocol]
    return drawn(shown, columns, rows, screen) + "\n"


def fit_cells(width: int, height: int, screen: Screen) -> tuple[int, int]:
    """The columns and rows of a picture that fits into the window, and is no larger than its pixels."""
    room = (screen.columns, max(2, screen.rows - ROWS_KEPT))
    if screen.limit is not None:
        room = (min(room[0], screen.limit[0] // screen.cell[0]), min(room[1], screen.limit[1] // screen.cell[1]))
    if screen.protocol == KITTY and screen.in_tmux:
        room = (room[0], min(room[1], len(MARKS)))
    scale = min(1, room[0] * screen.cell[0] / width, room[1] * screen.cell[1] / height)
    columns, rows = (round(side * scale / cell) for side, cell in zip((width, height), screen.cell, strict=True))
    return max(1, min(columns, room[0])), max(1, min(rows, room[1]))


def choose_filter(growth: int) -> int:
    """How pixels are scaled: small pictures keep their edges."""
    from PIL import Image

    return Image.Resampling.NEAREST if growth > 1 else Image.Resampling.LANCZOS


def draw_kitty(image: "Image", columns: int, rows: int, screen: Screen) -> str:
    """By kitty's graphics protocol, in pieces; the terminal answers nothing.

    Within tmux the picture gets a number and is put nowhere: it stands where a text of placeholders stands, which tmux
    knows as it knows any text.
    """
    data = encode_png(image)
    digest = hashlib.sha256(data.encode()).digest()
    low, high = 1 + digest[0] % 255, digest[1] % len(MARKS)
    number = f"U=1,i={high << 24 | low}," if screen.in_tmux else ""
    pieces = [data[at : at + PIECE] for at in range(0, len(data), PIECE)]
    drawn = []
    for place, piece in enumerate(pieces):
        keys = f"a=T,f=100,q=2,{number}c={columns},r={rows}," if place == 0 else ""
        drawn.append(screen.wrap(f"\x1b_G{keys}m={int(place < len(pieces) - 1)};{piece}\x1b\\"))
    return "".join(drawn) + (list_placeholders(columns, rows, low, high) if screen.in_tmux else "")


def list_placeholders(columns: int, rows: int, low: int, high: int) -> str:
    """The text in whose place a picture stands: the colour is the low byte of its number, the third mark the high one.

    Cells without marks follow the cell to their left.
    """
    lines = (PLACEHOLDER + MARKS[row] + MARKS[0] + MARKS[high] + PLACEHOLDER * (columns - 1) for row in range(rows))
    return "\n".join(f"\x1b[38;5;{low}m{line}{RESET}" for line in lines)


def draw_iterm(image: "Image", columns: int, rows: int, screen: Screen) -> str:
    """By iTerm2's protocol (https://iterm2.com/documentation-images.html)."""
    data = encode_png(image)
    keys = f"inline=1;size={len(base64.b64decode(data))};width={columns};height={rows};preserveAspectRatio=0"
    return screen.wrap(f"\x1b]1337;File={keys}:{data}\x07")


def encode_png(image: "Image") -> str:
    """A PNG in base64."""
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return base64.b64encode(stream.getvalue()).decode()


def draw_sixel(image: "Image", columns: int, rows: int, screen: Screen) -> str:
    """As sixels: bands of six rows, each colour of a band in turn (DEC STD 070, chapter 9). tmux draws them itself.

    It fills what is left of the last row of cells with colour 0, which is therefore that of the lower edge.
    """
    import numpy
    from PIL.Image import Dither

    del columns, rows, screen
    indexed = image.quantize(palette=image.quantize(255), dither=Dither.FLOYDSTEINBERG)
    edge = numpy.asarray(image)[-1].mean(axis=0, keepdims=True).round().astype(int)
    palette = numpy.concatenate([edge, numpy.array(indexed.getpalette()).reshape(-1, 3)[:255]])
    percent = (palette * 100 + 127) // 255
    names = "".join(f"#{number};2;{red};{green};{blue}" for number, (red, green, blue) in enumerate(percent))
    bands = []
    values = numpy.asarray(indexed)
    for top in range(0, len(values), BAND):
        band = values[top : top + BAND]
        bits = 1 << numpy.arange(len(band))[:, None]
        lines = []
        for colour in numpy.unique(band):
            sixels = bytes(((band == colour) * bits).sum(axis=0).astype("uint8") + 63).decode("ascii")
            lines.append(f"#{colour + 1}" + RUN.sub(shorten_run, sixels.rstrip(EMPTY)))
        bands.append("$".join(lines))
    return f'\x1bPq"1;1;{image.width};{image.height}{names}{"-".join(bands)}\x1b\\'


def shorten_run(run: "re.Match[str]") -> str:
    """A run of one sixel as its length and the sixel."""
    return f"!{len(run[0])}{run[1]}"


def draw_blocks(image: "Image", screen: Screen) -> str:
    """As half blocks: a cell shows two pixels, one above the other."""
    from PIL import Image

    most = (screen.columns, 2 * max(2, screen.rows - ROWS_KEPT))
    scale = min(1, most[0] / image.width, most[1] / image.height)
    size = (max(1, round(image.width * scale)), max(2, round(image.height * scale) // 2 * 2))
    import numpy

    shown = numpy.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))
    return "".join(f"{line}{RESET}\n" for line in list_block_lines(shown, screen.true_colour))


def list_block_lines(pixels: "NDArray[np.uint8]", true_colour: bool) -> Iterator[str]:
    """Lines of half blocks of pixels of shape (an even height, width, 3)."""
    for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
        pairs = groupby(zip(upper, lower, strict=True))
        yield "".join(name_colours(*pair, true_colour) + HALF * len(list(cells)) for pair, cells in pairs)


def name_colours(upper: list[int], lower: list[int], true_colour: bool) -> str:
    """The sequence that sets the colours of a half block: above, and below."""
    if true_colour:
        (red, green, blue), (red2, green2, blue2) = upper, lower
        return f"\x1b[38;2;{red};{green};{blue};48;2;{red2};{green2};{blue2}m"
    return f"\x1b[38;5;{find_colour(*upper)};48;5;{find_colour(*lower)}m"


def find_colour(red: int, green: int, blue: int) -> int:
    """The nearest of 256 colours: of the cube of six steps a colour, or of the 24 greys (xterm)."""
    steps = [min(range(6), key=lambda step: abs(STEPS[step] - value)) for value in (red, green, blue)]
    grey = min(23, max(0, round(((red + green + blue) / 3 - 8) / 10)))
    of_cube = sum((STEPS[step] - value) ** 2 for step, value in zip(steps, (red, green, blue), strict=True))
    of_grey = sum((8 + 10 * grey - value) ** 2 for value in (red, green, blue))
    return 232 + grey if of_grey < of_cube else 16 + 36 * steps[0] + 6 * steps[1] + steps[2]
