"""Pictures as a terminal takes them: by a protocol of its own, or as half blocks in colour.

No library fits: textual-image is under the LGPL and needs Python 3.12, and most of it is for Textual's own widgets.
"""

import base64
import io
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
HALF = "▀"
RESET = "\x1b[0m"
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
    shown = image.resize((columns * screen.cell[0], rows * screen.cell[1]), choose_filter(growth))
    drawn = {KITTY: draw_kitty, ITERM: draw_iterm, SIXEL: draw_sixel}[screen.protocol]
    return drawn(shown, columns, rows, screen) + "\n"


def fit_cells(width: int, height: int, screen: Screen) -> tuple[int, int]:
    """The columns and rows of a picture that fits into the window, and is no larger than its pixels."""
    most = (screen.columns * screen.cell[0], max(2, screen.rows - ROWS_KEPT) * screen.cell[1])
    scale = min(1, most[0] / width, most[1] / height)
    columns, rows = (
        max(1, round(side * scale / cell)) for side, cell in zip((width, height), screen.cell, strict=True)
    )
    return min(columns, screen.columns), min(rows, max(2, screen.rows - ROWS_KEPT))


def choose_filter(growth: int) -> int:
    """How pixels are scaled: small pictures keep their edges."""
    from PIL import Image

    return Image.Resampling.NEAREST if growth > 1 else Image.Resampling.LANCZOS


def draw_kitty(image: "Image", columns: int, rows: int, screen: Screen) -> str:
    """By kitty's graphics protocol, in pieces; the terminal answers nothing."""
    data = encode_png(image)
    pieces = [data[at : at + PIECE] for at in range(0, len(data), PIECE)]
    drawn = []
    for number, piece in enumerate(pieces):
        keys = f"a=T,f=100,q=2,c={columns},r={rows}," if number == 0 else ""
        drawn.append(screen.wrap(f"\x1b_G{keys}m={int(number < len(pieces) - 1)};{piece}\x1b\\"))
    return "".join(drawn)


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
    """As sixels: bands of six rows, each colour of a band in turn (DEC STD 070, chapter 9). tmux draws them itself."""
    import numpy

    del columns, rows, screen
    indexed = image.quantize(256)
    palette = (numpy.array(indexed.getpalette()).reshape(-1, 3) * 100 + 127) // 255
    names = "".join(f"#{number};2;{red};{green};{blue}" for number, (red, green, blue) in enumerate(palette))
    bands = []
    values = numpy.asarray(indexed)
    for top in range(0, len(values), 6):
        band = values[top : top + 6]
        bits = 1 << numpy.arange(len(band))[:, None]
        lines = []
        for colour in numpy.unique(band):
            sixels = bytes(((band == colour) * bits).sum(axis=0).astype("uint8") + 63).decode("ascii")
            lines.append(f"#{colour}" + "".join(map(shorten_run, ("".join(run) for _, run in groupby(sixels)))))
        bands.append("$".join(lines))
    return f'\x1bPq"1;1;{image.width};{image.height}{names}{"-".join(bands)}\x1b\\'


def shorten_run(run: str) -> str:
    """A run of one sixel, with its length where that is shorter."""
    return f"!{len(run)}{run[0]}" if len(run) > 3 else run


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
