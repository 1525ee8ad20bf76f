"""Sound as WAV, FLAC, Ogg Vorbis, Opus and MP3 that carry their record, and say that they were generated."""

import functools
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from genai_cli.content.content import Content
from genai_cli.content.record import Record, to_json
from genai_cli.errors import InputError, OutputError, ResultError
from genai_cli.events import Emit
from genai_cli.request.input import Input
from genai_cli.signals import hold_signals

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SILENCE = 1e-4  # of full scale: below the smallest step of 16 bits times three
# Samples that are looked at, or encoded, together: hours of speech need no copy of themselves, and libvorbis puts all
# that it is given first on the stack, where minutes do not fit.
AT_ONCE = 2**16
MAX_SAMPLES = 350_000_000  # of a sound that is read: two hours in mono at 48 kHz
FORMATS = {
    ".wav": {"format": "WAV", "subtype": "PCM_16"},
    ".flac": {"format": "FLAC", "subtype": "PCM_16"},
    ".ogg": {"format": "OGG", "subtype": "VORBIS"},
    ".opus": {"format": "OGG", "subtype": "OPUS"},
    ".mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
}
OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)  # RFC 6716, section 2: it holds no others


@dataclass(frozen=True)
class Sound(Content):
    """Samples of shape (samples, channels): int16, or as a model makes them, float within full scale.

    There are `sampling_rate` samples a second.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".wav", ".flac", ".ogg", ".opus", ".mp3")
    exact: ClassVar[frozenset[str]] = frozenset({"audio/wav", "audio/flac"})

    values: "NDArray[np.int16] | NDArray[np.float32]"
    sampling_rate: int

    @functools.cached_property
    def samples(self) -> "NDArray[np.int16]":
        """The values as they are written."""
        if self.values.dtype == "int16":
            return cast("NDArray[np.int16]", self.values)
        return (self.values * 32768).round().clip(-32768, 32767).astype("int16")

    def check(self) -> None:
        """Raise ResultError for a sound that is empty, not finite, silent, or stuck at full scale."""
        import numpy

        if self.values.size == 0:
            raise ResultError("the sound is empty", hint="try another seed, or a longer --duration")
        peak, stuck = 0.0, 0
        for part in cut(self.values):
            if not numpy.isfinite(part).all():
                raise ResultError("the sound is not finite (NaN)", hint="try --dtype float32")
            loudness = numpy.abs(part if part.dtype != "int16" else part / 32768)
            peak, stuck = max(peak, float(loudness.max())), stuck + int((loudness > 0.999).sum())
        if peak < SILENCE:
            raise ResultError("the sound is silent", hint="try another seed or prompt")
        if stuck / self.values.size > 0.5:
            raise ResultError("the sound is stuck at full scale", hint="try --dtype float32, or another seed")

    def sha256(self) -> str:
        """Of the samples, little-endian, channels interleaved."""
        import hashlib

        import numpy

        return hashlib.sha256(numpy.ascontiguousarray(self.samples, "<i2").data).hexdigest()

    def encode(self, record: Record, suffix: str, mark: str | None) -> bytes:
        """The file's bytes in the format of the suffix. Raises OutputError where it cannot hold this sampling rate."""
        import soundfile

        stream = io.BytesIO()
        resampled = suffix == ".opus" and self.sampling_rate not in OPUS_RATES
        rate = OPUS_RATES[-1] if resampled else self.sampling_rate
        try:
            samples = self.resample(rate)
            channels = samples.shape[1]
            is_noise = suffix == ".mp3" and channels > 1  # what libsndfile 1.2 makes of two channels in 16 bits
            # libsndfile calls Python back, where what a signal raises would be lost.
            with hold_signals(), soundfile.SoundFile(stream, "w", rate, channels, **FORMATS[suffix]) as file:
                for part in cut(samples):
                    file.write(part.astype("float32") / 32768 if is_noise else part)
        except soundfile.LibsndfileError as error:
            raise OutputError(
                f"{suffix} cannot hold {self.sampling_rate} samples a second: {error.error_string}", hint="write .wav"
            ) from error
        write_tags(stream, record, suffix, mark)
        return stream.getvalue()

    def resample(self, rate: int) -> "NDArray[np.int16]":
        """The samples at `rate` a second."""
        if rate == self.sampling_rate:
            return self.samples
        import soxr

        return cast("NDArray[np.int16]", soxr.resample(self.samples, self.sampling_rate, rate))

    @classmethod
    def read(cls, source: Input, emit: Emit) -> Self:
        """The samples of a sound file, in 16 bits. Raises InputError."""
        import soundfile

        del emit
        try:
            with hold_signals(), source.open() as stream, soundfile.SoundFile(stream) as file:
                if file.frames * file.channels > MAX_SAMPLES:
                    raise InputError(f"{source.name} cannot be read: over {MAX_SAMPLES // 10**6} million samples")
                return cls(file.read(dtype="int16", always_2d=True), file.samplerate)
        except soundfile.LibsndfileError as error:
            raise InputError(f"{source.name} cannot be read: {error.error_string}") from None


def cut(samples: "NDArray[Any]") -> "Iterator[NDArray[Any]]":
    """Parts of samples, one after the other, that share their memory."""
    for start in range(0, len(samples), AT_ONCE):
        yield samples[start : start + AT_ONCE]


def write_tags(stream: io.BytesIO, record: Record, suffix: str, mark: str | None) -> None:
    """Put the record and the mark into the encoded file: ID3 in WAV and MP3, Vorbis comments in FLAC, Ogg and Opus."""
    tags = {"genai": to_json(record), "encoder": f"genai {record['genai']}"}
    if mark:
        tags["DigitalSourceType"] = mark
    stream.seek(0)
    if suffix in (".flac", ".ogg", ".opus"):
        from mutagen.flac import FLAC
        from mutagen.oggopus import OggOpus
        from mutagen.oggvorbis import OggVorbis

        file = {".flac": FLAC, ".ogg": OggVorbis, ".opus": OggOpus}[suffix](stream)
        if file.tags is None:
            file.add_tags()
        for name, text in tags.items():
            file.tags[name] = text
    else:
        from mutagen.id3 import TXXX
        from mutagen.mp3 import MP3
        from mutagen.wave import WAVE

        file = WAVE(stream) if suffix == ".wav" else MP3(stream)
        if file.tags is None:
            file.add_tags()
        for name, text in tags.items():
            file.tags.add(TXXX(encoding=3, desc=name, text=[text]))
    stream.seek(0)
    file.save(stream)
