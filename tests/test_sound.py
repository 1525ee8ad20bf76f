"""Sounds of any length and of two channels are checked and encoded as they are, without copies of them."""

import io
import tracemalloc

import numpy
import pytest
import soundfile
from file_parts import RECORD
from readers import GENERATED

from genai_cli.content.sound import FORMATS, Sound
from genai_cli.errors import ResultError

RATE = 24000


def make_tones(seconds: float, *pitches: int) -> "numpy.typing.NDArray[numpy.int16]":
    """A tone for each channel."""
    times = numpy.arange(round(seconds * RATE)) / RATE
    waves = [numpy.sin(2 * numpy.pi * pitch * times) * 9000 for pitch in pitches]
    return numpy.stack(waves, axis=1).astype(numpy.int16)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_sound_is_encoded_as_it_is(suffix: str) -> None:
    samples = make_tones(7.1, 440)
    read, rate = soundfile.read(io.BytesIO(Sound(samples, RATE).encode(RECORD, suffix, GENERATED)), dtype="int16")
    assert rate == RATE
    assert numpy.array_equal(read, samples[:, 0])


@pytest.mark.parametrize("suffix", list(FORMATS))
def test_each_channel_keeps_its_tone(suffix: str) -> None:
    data = Sound(make_tones(4, 440, 1000), RATE).encode(RECORD, suffix, GENERATED)
    read, _ = soundfile.read(io.BytesIO(data), always_2d=True)
    for channel, pitch in enumerate((440, 1000)):
        spectrum = numpy.abs(numpy.fft.rfft(read[RATE : 2 * RATE, channel])) ** 2
        assert int(spectrum.argmax()) == pitch
        assert spectrum[pitch - 2 : pitch + 3].sum() > 0.95 * spectrum.sum()  # and there is no noise beside it


def test_minutes_are_written_as_ogg() -> None:
    samples = make_tones(150, 440)
    data = Sound(samples, RATE).encode(RECORD, ".ogg", GENERATED)
    assert soundfile.info(io.BytesIO(data)).frames == len(samples)


def test_memory_does_not_grow_beside_the_sound_and_its_file() -> None:
    sound = Sound(make_tones(120, 440), RATE)
    size = sound.samples.nbytes
    tracemalloc.start()
    try:
        sound.check()
        sound.sha256()
        assert tracemalloc.get_traced_memory()[1] < size / 2
        data = sound.encode(RECORD, ".wav", GENERATED)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * size
    finally:
        tracemalloc.stop()
    assert len(data) > size


@pytest.mark.parametrize(
    ("value", "words"), [(numpy.nan, "not finite"), (0.0, "is silent"), (1.0, "stuck at full scale")]
)
def test_what_is_wrong_at_the_end_of_a_long_sound_is_found(value: float, words: str) -> None:
    samples = numpy.full((200_000, 1), value, dtype=numpy.float32)
    if words == "not finite":
        samples[:-1] = 0.1
    if words == "stuck at full scale":
        samples[:90_000] = 0.1
    with pytest.raises(ResultError, match=words):
        Sound(samples, RATE).check()
