"""Sounds of anyone's are decoded here and nowhere else: piece by piece, so that hours of sound need no more memory.

What libsndfile reads is read as it is; the sound of MP4, M4A, WebM and MKV by PyAV, which the extra `media` brings.
"""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from genai_cli.errors import InputError
from genai_cli.request.input import Input
from genai_cli.signals import hold_signals

if TYPE_CHECKING:
    import numpy as np
    from av.container import InputContainer
    from numpy.typing import NDArray
    from soundfile import SoundFile

MEDIA = ("video/mp4", "video/webm")  # containers, with or without a picture: M4A and MKV are among them
READ_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".m4a", ".mp4", ".webm", ".mkv")
LIBRARY, EXTRA = "av", "media"
PIECE = 10.0  # seconds that are read at once
RATES = (1000, 768_000)  # samples a second of sounds that are read
MOST_CHANNELS = 64
MOST_SECONDS = 48 * 3600.0
MISSING = 0.05  # seconds that may be missing before a sound is called cut


@dataclass(frozen=True)
class Shape:
    """What a sound's header says; `seconds` is None where it says nothing of the length."""

    rate: int
    channels: int
    seconds: float | None


@dataclass(frozen=True)
class SoundStream:
    """A sound that is open: its shape, and its samples in mono as float32 of shape (samples,), piece by piece."""

    shape: Shape
    pieces: "Iterator[NDArray[np.float32]]"


def is_sound(source: Input) -> bool:
    """Whether the first bytes of a file say that it may hold sound."""
    return source.media_type.startswith("audio/") or source.media_type in MEDIA


def measure_sound(source: Input) -> Shape:
    """The shape of a sound, from its header alone. Raises InputError."""
    with open_own_rate(source) as stream:
        return stream.shape


@contextmanager
def open_sound(source: Input, rate: int) -> Iterator[SoundStream]:
    """A sound in mono at `rate` samples a second, whatever its own rate and channels are. Raises InputError."""
    with open_own_rate(source) as stream:
        yield SoundStream(stream.shape, resample(stream, rate))


@contextmanager
def open_own_rate(source: Input) -> Iterator[SoundStream]:
    """A sound in mono at its own rate. Raises InputError, also while its pieces are read."""
    opener = open_media if source.media_type in MEDIA else open_file
    with opener(source) as stream:
        shape = stream.shape
        if not RATES[0] <= shape.rate <= RATES[1]:
            raise InputError(f"{source.name} cannot be read: {shape.rate} samples a second")
        if not 0 < shape.channels <= MOST_CHANNELS:
            raise InputError(f"{source.name} cannot be read: {shape.channels} channels")
        if shape.seconds is not None and shape.seconds > MOST_SECONDS:
            raise InputError(f"{source.name} is longer than {MOST_SECONDS / 3600:g} hours", hint="cut it into parts")
        yield SoundStream(shape, bound(stream, source))


def bound(stream: SoundStream, source: Input) -> "Iterator[NDArray[np.float32]]":
    """The pieces, finite and within bounds. Raises InputError for a sound that is empty, or has no end."""
    import numpy

    samples, most = 0, int(MOST_SECONDS * stream.shape.rate)
    for piece in stream.pieces:
        samples += len(piece)
        if samples > most:
            raise InputError(f"{source.name} is longer than {MOST_SECONDS / 3600:g} hours", hint="cut it into parts")
        finite = piece if numpy.isfinite(piece).all() else numpy.nan_to_num(piece, nan=0, posinf=1, neginf=-1)
        yield finite.clip(-1, 1)
    if not samples:
        raise InputError(f"{source.name} holds no sound")


def resample(stream: SoundStream, rate: int) -> "Iterator[NDArray[np.float32]]":
    """The pieces at another rate."""
    if stream.shape.rate == rate:
        yield from stream.pieces
        return
    import numpy
    import soxr

    converter = soxr.ResampleStream(stream.shape.rate, rate, 1, dtype="float32")
    for piece in stream.pieces:
        yield converter.resample_chunk(piece)
    yield converter.resample_chunk(numpy.zeros(0, numpy.float32), last=True)


@contextmanager
def open_file(source: Input) -> Iterator[SoundStream]:
    """A sound that libsndfile reads. Raises InputError, also where its end is missing."""
    import soundfile

    try:
        with source.open() as stream, contextlib.ExitStack() as opened:
            with hold_signals():
                file = opened.enter_context(soundfile.SoundFile(stream))
            stated = file.frames if 0 < file.frames < MOST_SECONDS * max(file.samplerate, 1) * 2 else None
            seconds = None if stated is None else stated / file.samplerate
            shape = Shape(int(file.samplerate), int(file.channels), seconds)
            yield SoundStream(shape, read_file(file, source, stated))
    except (soundfile.LibsndfileError, RuntimeError) as error:
        words = getattr(error, "error_string", None) or str(error)
        hint = None if is_sound(source) else "WAV, FLAC, Ogg, Opus, MP3, AIFF, or with PyAV M4A, MP4, WebM and MKV"
        raise InputError(f"{source.name} cannot be read: {words}", hint=hint) from None


def read_file(file: "SoundFile", source: Input, stated: int | None) -> "Iterator[NDArray[np.float32]]":
    """The pieces of a file of libsndfile in mono. Raises InputError where fewer samples come than are stated."""
    count = 0
    while len(piece := read_piece(file)):
        count += len(piece)
        yield piece.mean(axis=1)
    if stated is not None and count < stated - MISSING * file.samplerate:
        found, whole = count / file.samplerate, stated / file.samplerate
        raise InputError(f"{source.name} is cut: it holds {found:.1f} of {whole:.1f} seconds")


def read_piece(file: "SoundFile") -> "NDArray[np.float32]":
    """The next samples, of shape (samples, channels).

    Signals wait: libsndfile calls Python back for the bytes, where what a signal raises is lost, and the sound cut.
    """
    with hold_signals():
        piece: NDArray[np.float32] = file.read(int(PIECE * file.samplerate), dtype="float32", always_2d=True)
    return piece


@contextmanager
def open_media(source: Input) -> Iterator[SoundStream]:
    """The sound of a container that PyAV reads. Raises InputError, also where PyAV is not installed."""
    if find_spec(LIBRARY) is None:
        hint = f"pip install 'genai-cli[{EXTRA}]'; or give its sound as WAV, FLAC, Ogg or MP3"
        raise InputError(f"{source.name} is MP4, M4A, WebM or MKV, which needs PyAV", hint=hint)
    import av

    av.logging.set_level(av.logging.PANIC)
    with source.open() as stream, contextlib.ExitStack() as opened:
        try:
            container = opened.enter_context(av.open(stream, mode="r", metadata_errors="ignore"))
        except (av.FFmpegError, ValueError) as error:
            raise make_media_error(source, error) from None
        if not container.streams.audio:
            raise InputError(f"{source.name} holds no sound")
        track = container.streams.audio[0]
        seconds = container.duration / 1_000_000 if container.duration else None
        shape = Shape(int(track.rate or 0), int(track.channels or 0), seconds)
        yield SoundStream(shape, read_media(container, source, shape))


def read_media(container: "InputContainer", source: Input, shape: Shape) -> "Iterator[NDArray[np.float32]]":
    """The pieces of a container's first sound in mono. Raises InputError where its end is missing."""
    import av
    import numpy

    converter = av.AudioResampler(format="flt", layout="mono", rate=shape.rate)
    held: list[NDArray[np.float32]] = []
    count, total = 0, 0
    try:
        for frame in container.decode(audio=0):
            for part in converter.resample(frame):
                held.append(part.to_ndarray().reshape(-1))
                count += len(held[-1])
            if count >= PIECE * shape.rate:
                total += count
                yield numpy.concatenate(held)
                held, count = [], 0
        for part in converter.resample(None):
            held.append(part.to_ndarray().reshape(-1))
            count += len(held[-1])
    except (av.FFmpegError, ValueError) as error:
        raise make_media_error(source, error) from None
    total += count
    if held:
        yield numpy.concatenate(held)
    if shape.seconds is not None and total / shape.rate < 0.9 * shape.seconds - 1:
        raise InputError(f"{source.name} is cut: it holds {total / shape.rate:.1f} of {shape.seconds:.1f} seconds")


def make_media_error(source: Input, error: Exception) -> InputError:
    """The error for a container that FFmpeg's libraries cannot read."""
    words = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return InputError(f"{source.name} cannot be read: {words}")
