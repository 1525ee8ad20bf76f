"""Where in a sound someone speaks: louder than what is around it, with a voice in it, and not all the same.

Silence, hiss, hum and clicks are none of that. A recogniser that is given them makes words up.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE = 16_000
FRAME, HOP = 512, 256  # samples: 32 ms, 16 ms apart
HOP_SECONDS = HOP / RATE
LOOK = 30.0  # seconds that are judged together, with as many before them
BAND = (200, 4000)  # Hz in which speech is loudest
VOICES = (70, 400)  # Hz, of the vocal cords
QUIETEST = -65.0  # dB of full scale, below which nothing is speech
ABOVE = 6.0  # dB above what is heard in pauses
VOICED = 0.5  # of a frame's energy comes again after one period
LEAST_VOICED = 5  # frames in a row, of a stretch of speech
STEADY = 1.5  # dB, within which a hum or a tone stays
STEADY_SECONDS = 1.0
GAP = 0.35  # seconds of a pause within a stretch
PAD = 0.2  # seconds kept before and after


class Span(NamedTuple):
    """A stretch of sound, in seconds from its beginning."""

    start: float
    end: float


@dataclass(frozen=True)
class Frames:
    """What is known of each frame: how loud it is in dB of full scale, and how much of it is periodic."""

    loudness: "NDArray[np.float32]"
    voicing: "NDArray[np.float32]"


def measure(samples: "NDArray[np.float32]") -> Frames:
    """The frames of samples at 16,000 a second."""
    import numpy

    if len(samples) < FRAME:
        samples = numpy.pad(samples, (0, FRAME - len(samples)))
    views = numpy.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    window = numpy.hanning(FRAME).astype(numpy.float32)
    loudness, voicing = [], []
    taper = numpy.fft.irfft(numpy.abs(numpy.fft.rfft(window, 2 * FRAME)) ** 2)[: FRAME // 2]
    low, high = (round(edge * 2 * FRAME / RATE) for edge in BAND)
    lags = slice(RATE // VOICES[1], RATE // VOICES[0])
    for first in range(0, len(views), 1024):
        power = numpy.abs(numpy.fft.rfft(views[first : first + 1024] * window, 2 * FRAME)) ** 2
        energy = power[:, low:high].sum(axis=1) / (FRAME * (window**2).sum())
        loudness.append(10 * numpy.log10(numpy.maximum(energy, 1e-12)))
        power[:, :low], power[:, high:] = 0, 0
        again = numpy.fft.irfft(power)[:, : FRAME // 2]
        steady = again / numpy.maximum(again[:, :1], 1e-12) / (taper / taper[0])
        voicing.append(steady[:, lags].max(axis=1))
    return Frames(numpy.concatenate(loudness).astype(numpy.float32), numpy.concatenate(voicing).astype(numpy.float32))


def find_speech(frames: Frames, floor: float) -> list[Span]:
    """Stretches of speech among frames, where pauses are as loud as `floor`; in seconds from the first frame."""
    import numpy

    least = max(QUIETEST, floor + ABOVE)
    active = (frames.loudness > least) | ((frames.voicing > VOICED) & (frames.loudness > QUIETEST + ABOVE))
    edges = numpy.flatnonzero(numpy.diff(numpy.concatenate(([0], active.astype(numpy.int8), [0]))))
    joined: list[list[int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if joined and start - joined[-1][1] < GAP / HOP_SECONDS:
            joined[-1][1] = end
        else:
            joined.append([start, end])
    return [
        Span(start * HOP_SECONDS, end * HOP_SECONDS + (FRAME - HOP) / RATE)
        for start, end in joined
        if is_speech(frames, start, end)
    ]


def is_speech(frames: Frames, start: int, end: int) -> bool:
    """Whether a stretch has a voice in it, and is neither a hum nor a tone."""
    loudness, voicing = frames.loudness[start:end], frames.voicing[start:end]
    if longest_run(voicing > VOICED) < LEAST_VOICED:
        return False
    is_long = (end - start) * HOP_SECONDS > STEADY_SECONDS
    return not (is_long and float(loudness.std()) < STEADY)


def longest_run(flags: "NDArray[np.bool_]") -> int:
    """How many in a row are true at most."""
    import numpy

    ends = numpy.flatnonzero(~numpy.concatenate(([False], flags, [False])))
    return int(numpy.diff(ends).max()) - 1


def watch(pieces: "Iterable[NDArray[np.float32]]", *, detect: bool) -> "Iterator[Heard]":
    """The samples in parts of `LOOK` seconds, each with where someone speaks; all of it without `detect`."""
    import numpy

    before = numpy.zeros(0, numpy.float32)  # loudness of the part before
    first = 0
    for part in regroup(pieces, int(LOOK * RATE)):
        start = first / RATE
        first += len(part)
        if not detect:
            yield Heard(start, part, [Span(start, first / RATE)], None)
            continue
        frames = measure(part)
        floor = float(numpy.percentile(numpy.concatenate([before, frames.loudness]), 10))
        spans = find_speech(frames, floor)
        before = frames.loudness
        yield Heard(start, part, [Span(start + span.start, start + span.end) for span in spans], frames.loudness)


@dataclass(frozen=True)
class Heard:
    """A part of a sound from `start` on, in seconds: its samples, and where in the whole sound someone speaks."""

    start: float
    samples: "NDArray[np.float32]"
    spans: list[Span]
    loudness: "NDArray[np.float32] | None"


def regroup(pieces: "Iterable[NDArray[np.float32]]", length: int) -> "Iterator[NDArray[np.float32]]":
    """The samples in pieces of one length; the last may be shorter."""
    import numpy

    held: list[NDArray[np.float32]] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += len(piece)
        while count >= length:
            whole = numpy.concatenate(held)
            yield whole[:length]
            held, count = [whole[length:]], count - length
    if count:
        yield numpy.concatenate(held)
