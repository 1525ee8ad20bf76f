"""A sound as the windows that a model reads at once: filled with speech, cut at pauses, each with its place.

Windows depend on the sound alone, not on what was heard in others: so several go through a model together, and a run
that was interrupted goes on at the next one.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from genai_cli.modality.hearing.voice import GAP, PAD, RATE, Heard, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEAR = 1.0  # seconds of a pause that stays as it is; a longer one is left out
LATEST = 0.75  # of a window, after which it may end at a pause
QUIET = 0.2  # seconds that are to be quiet where speech without a pause is cut


class Piece(NamedTuple):
    """A part of a window: where it begins there, and in the sound, in seconds."""

    at: float
    start: float


@dataclass(frozen=True)
class Window:
    """Samples of shape (samples,) at 16,000 a second, what parts of the sound they are, and where that ends."""

    samples: "NDArray[np.float32]"
    pieces: tuple[Piece, ...]
    index: int
    end: float
    """Up to where the sound has been dealt with after this window, in seconds."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / RATE

    def locate(self, seconds: float) -> float:
        """A time in the window as one in the sound. The end of a piece is not the beginning of the next."""
        place = max(0, bisect_right([piece.at for piece in self.pieces], seconds - 1e-9) - 1)
        piece = self.pieces[place]
        return piece.start + max(0.0, seconds - piece.at)

    def cut(self, seconds: float) -> "Window":
        """The rest from a time in the window on."""
        first = round(seconds * RATE)
        later = [Piece(piece.at - seconds, piece.start) for piece in self.pieces if piece.at > seconds]
        begin = Piece(0.0, self.locate(seconds + 1e-6))
        return Window(self.samples[first:], (begin, *later), self.index, self.end)


@dataclass(frozen=True)
class Unit:
    """A stretch of speech with what is kept around it, and the seconds of pause before it."""

    start: float
    samples: "NDArray[np.float32]"
    pause: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / RATE


def cut_windows(parts: Iterable[Heard], length: float) -> Iterator[Window]:
    """The windows of at most `length` seconds of a sound that was searched for speech."""
    held: list[Unit] = []
    index = 0
    for unit in split_units(cut_units(parts, length), length):
        while held and sum(one.seconds for one in held) + unit.seconds > length:
            first = choose_end(held, unit, length)
            yield make_window(held[:first], index)
            index, held = index + 1, held[first:]
        held.append(unit)
    if held:
        yield make_window(held, index)


def choose_end(held: list[Unit], following: Unit, length: float) -> int:
    """How many of the units make a window: up to the longest pause in its last part."""
    at, best, longest = 0.0, len(held), following.pause
    for place, unit in enumerate(held):
        if place and at >= LATEST * length and unit.pause > longest:
            best, longest = place, unit.pause
        at += unit.seconds
    return best


def make_window(units: list[Unit], index: int) -> Window:
    """Units one after another."""
    import numpy

    pieces, at = [], 0.0
    for unit in units:
        pieces.append(Piece(at, unit.start))
        at += unit.seconds
    end = units[-1].start + units[-1].seconds
    return Window(numpy.concatenate([unit.samples for unit in units]), tuple(pieces), index, end)


def cut_units(parts: Iterable[Heard], length: float) -> Iterator[Unit]:
    """The stretches of speech, each as soon as it has ended; one without a pause comes in parts."""
    import numpy

    buffer = numpy.zeros(0, numpy.float32)
    base, before, cut, open_span = 0.0, -NEAR * 2, 0.0, None  # before: where the last stretch ended; cut: its samples

    def take(span: Span, end: float) -> Unit:
        start = cut if span.start - before <= NEAR else max(cut, span.start - PAD)
        first, last = round((start - base) * RATE), round((end - base) * RATE)
        return Unit(start, buffer[max(0, first) : last], span.start - before)

    for part in parts:
        total = part.start + len(part.samples) / RATE
        buffer = numpy.concatenate([buffer, part.samples])
        spans = join_spans([*([open_span] if open_span else []), *part.spans])
        open_span = None
        for place, span in enumerate(spans):
            if place == len(spans) - 1 and span.end + GAP > total:
                open_span = span
                break
            end = min(span.end + PAD, spans[place + 1].start if place + 1 < len(spans) else total)
            yield take(span, end)
            before, cut = span.end, end
        if open_span and total - open_span.start > 2 * length:  # no pause at all: what is there is cut
            yield take(open_span, total)
            before = cut = total
            open_span = None
        keep = max(base, (open_span.start if open_span else total) - NEAR - PAD)
        buffer, base = buffer[round((keep - base) * RATE) :], keep
    if open_span:
        yield take(open_span, base + len(buffer) / RATE)


def join_spans(spans: list[Span]) -> list[Span]:
    """The spans with those joined that have hardly a pause between them."""
    joined: list[Span] = []
    for span in spans:
        if joined and span.start - joined[-1].end < GAP:
            joined[-1] = Span(joined[-1].start, span.end)
        else:
            joined.append(span)
    return joined


def split_units(units: Iterable[Unit], length: float) -> Iterator[Unit]:
    """The units, each no longer than a window: longer ones are cut where they are quietest."""
    for unit in units:
        rest = unit
        while rest.seconds > length:
            place = find_quiet(rest.samples, length)
            yield Unit(rest.start, rest.samples[:place], rest.pause)
            rest = Unit(rest.start + place / RATE, rest.samples[place:], 0.0)
        yield rest


def find_quiet(samples: "NDArray[np.float32]", length: float) -> int:
    """The quietest place in the last part of a window, in samples."""
    import numpy

    first, last, step = round(LATEST * length * RATE), round(length * RATE), round(QUIET * RATE / 4)
    energy = numpy.add.reduceat(samples[first:last] ** 2, numpy.arange(0, last - first, step))
    smooth = numpy.convolve(energy, numpy.ones(4), mode="valid")
    return first + int(smooth.argmin()) * step + 2 * step


def one_each(parts: Iterable[Heard], length: float) -> Iterator[Window]:
    """A window for each stretch of speech, for models that do not tell when something was said."""
    for index, unit in enumerate(split_units(cut_units(parts, length), length)):
        yield make_window([unit], index)
