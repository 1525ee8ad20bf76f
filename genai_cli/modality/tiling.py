"""A large picture goes through a model in tiles that overlap, so that its memory stays flat and no seam shows.

Tiles begin at multiples of what the model looks at together, so that it sees the same windows as in the whole picture.
The outer quarter of an overlap is dropped, where a tile lacks its surroundings; in the middle two tiles are mixed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FULL = 255


def list_spans(length: int, tile: int, overlap: int, multiple: int) -> list[tuple[int, int]]:
    """The beginnings and ends of tiles along a side; all begin at multiples, and the last one ends with the side."""
    if length <= tile:
        return [(0, length)]
    step = max(multiple, (tile - overlap) // multiple * multiple)
    last = -(-(length - tile) // multiple) * multiple
    starts = [*range(0, last, step), last]
    return [(start, min(start + tile, length)) for start in starts]


def weigh(spans: list[tuple[int, int]], overlap: int, factor: int) -> "list[NDArray[np.float32]]":
    """How much each tile counts along a side, at the enlarged size: at each place the sum is 1."""
    import numpy

    length = spans[-1][1] * factor
    drop, mix = overlap * factor // 4, max(1, overlap * factor // 2)
    total, weights = numpy.zeros(length, numpy.float32), []
    for start, end in spans:
        size = (end - start) * factor
        place = numpy.arange(size) + 0.5
        rise = numpy.ones(size) if start == 0 else (place - drop) / mix
        fall = numpy.ones(size) if end * factor == length else (size - place - drop) / mix
        weight = numpy.minimum(rise, fall).clip(0, 1).astype(numpy.float32)
        total[start * factor : end * factor] += weight
        weights.append(weight)
    return [weight / total[start * factor : end * factor] for weight, (start, end) in zip(weights, spans, strict=True)]


def enlarge(
    pixels: "NDArray[np.uint8]",
    factor: int,
    run: "Callable[[NDArray[np.uint8]], NDArray[np.float32]]",
    tile: int,
    overlap: int,
    multiple: int,
    report: Callable[[int, int], None],
) -> "NDArray[np.uint8]":
    """A picture (height, width, 3) of `factor` times the size; `run` enlarges a part of it, to floats from 0 to 1.

    Only a row of tiles is held as floats.
    """
    import numpy

    height, width, channels = pixels.shape
    rows, columns = (list_spans(side, tile, overlap, multiple) for side in (height, width))
    row_weights, column_weights = weigh(rows, overlap, factor), weigh(columns, overlap, factor)
    made = numpy.empty((height * factor, width * factor, channels), numpy.uint8)
    carried = numpy.zeros((0, width * factor, channels), numpy.float32)
    report(0, len(rows) * len(columns))
    for row, (top, bottom) in enumerate(rows):
        strip = numpy.zeros(((bottom - top) * factor, width * factor, channels), numpy.float32)
        for column, (left, right) in enumerate(columns):
            part = run(pixels[top:bottom, left:right]) * column_weights[column][None, :, None]
            strip[:, left * factor : right * factor] += part
            report(row * len(columns) + column + 1, len(rows) * len(columns))
        strip *= row_weights[row][:, None, None]
        strip[: len(carried)] += carried
        ready = (rows[row + 1][0] if row + 1 < len(rows) else height) * factor
        ready -= top * factor
        made[top * factor : top * factor + ready] = (strip[:ready] * FULL).round().clip(0, FULL)
        carried = strip[ready:].copy()
    return made
