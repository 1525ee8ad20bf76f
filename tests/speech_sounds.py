"""Sounds with what tells speech from noise: a voice that comes and goes. They say no words."""

from pathlib import Path

import numpy
import soundfile
from numpy.typing import NDArray

RATE = 16_000


def make_voice(seconds: float, rate: int = RATE, pitch: float = 130) -> NDArray[numpy.float32]:
    """A buzz with overtones, as loud and soft as syllables, four a second."""
    times = numpy.arange(int(seconds * rate)) / rate
    wobble = 2 * numpy.pi * pitch * (times + 0.004 * numpy.sin(2 * numpy.pi * 3 * times))
    buzz = sum(numpy.sin(number * wobble) / number for number in range(1, 20))
    syllables = 0.15 + 0.85 * numpy.abs(numpy.sin(numpy.pi * 4 * times)) ** 1.5
    return (0.15 * buzz * syllables).astype(numpy.float32)


def make_pause(seconds: float, rate: int = RATE) -> NDArray[numpy.float32]:
    """Silence with a little hiss."""
    return (numpy.random.default_rng(1).standard_normal(int(seconds * rate)) * 1e-4).astype(numpy.float32)


def make_talk(*seconds: float, rate: int = RATE) -> NDArray[numpy.float32]:
    """Speech and pauses in turns, speech first."""
    makers = (make_voice, make_pause)
    return numpy.concatenate([makers[place % 2](length, rate) for place, length in enumerate(seconds)])


def write_talk(path: Path, *seconds: float, rate: int = RATE) -> Path:
    """The same as a file."""
    soundfile.write(path, make_talk(*seconds, rate=rate), rate)
    return path
