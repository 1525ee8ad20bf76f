"""What a sound looks like: its loudness over time, and its frequencies over time."""

from typing import TYPE_CHECKING

from genai_cli.content.sound import Sound
from genai_cli.content.sound_reading import SoundStream

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WINDOW = 512  # samples of one spectrum
MOST_PEAKS = 1 << 16  # that are held of a sound that is read in pieces
DEPTH = 80  # dB below the loudest that a spectrogram shows


def find_peaks(sound: Sound, count: int) -> list[float]:
    """The largest sample of each of `count` equal parts of a sound, all channels together, from 0 to 1."""
    import numpy

    loudness = numpy.abs(sound.samples.astype(numpy.int32)).max(axis=1)
    if len(loudness) == 0:
        return [0.0] * count
    edges = numpy.linspace(0, len(loudness), count + 1).astype(int)[:-1]
    return [float(peak) / 32768 for peak in numpy.maximum.reduceat(loudness, numpy.minimum(edges, len(loudness) - 1))]


def trace_peaks(stream: SoundStream, count: int) -> tuple[list[float], float]:
    """The same of a sound that is read piece by piece, in mono, and its seconds: hours need no more memory."""
    import numpy

    peaks, rest = numpy.zeros(0, numpy.float32), numpy.zeros(0, numpy.float32)
    block, samples = 1, 0  # samples of which one peak is kept
    for piece in stream.pieces:
        samples += len(piece)
        rest = numpy.concatenate([rest, numpy.abs(piece)])
        whole = len(rest) // block * block
        peaks, rest = numpy.concatenate([peaks, rest[:whole].reshape(-1, block).max(axis=1)]), rest[whole:]
        while len(peaks) > MOST_PEAKS:
            peaks = numpy.pad(peaks, (0, len(peaks) % 2)).reshape(-1, 2).max(axis=1)
            block *= 2
    peaks = numpy.concatenate([peaks, rest])
    edges = numpy.minimum(numpy.linspace(0, len(peaks), count + 1).astype(int)[:-1], len(peaks) - 1)
    return [float(peak) for peak in numpy.maximum.reduceat(peaks, edges)], samples / stream.shape.rate


def draw_spectrogram(sound: Sound, width: int, height: int) -> "NDArray[np.float32]":
    """Loudness from 0 to 1, of shape (height, width): time runs to the right, frequency up, 80 dB deep."""
    import numpy
    from PIL import Image

    mono = sound.samples.mean(axis=1) / 32768
    mono = numpy.pad(mono, (0, max(0, WINDOW - len(mono))))
    hop = max(1, (len(mono) - WINDOW) // width)
    frames = numpy.lib.stride_tricks.sliding_window_view(mono, WINDOW)[::hop][:width] * numpy.hanning(WINDOW)
    level = 20 * numpy.log10(numpy.abs(numpy.fft.rfft(frames, axis=1)).T[::-1] + 1e-6)
    shown = numpy.clip((level - level.max() + DEPTH) / DEPTH, 0, 1).astype(numpy.float32)
    scaled = Image.fromarray(shown).resize((width, height), Image.Resampling.BILINEAR)
    return numpy.asarray(scaled, dtype=numpy.float32).clip(0, 1)
