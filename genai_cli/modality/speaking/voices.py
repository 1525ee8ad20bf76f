"""Voices: a name that the model knows, or a file with the voice of somebody, who has to agree."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.errors import InputError
from genai_cli.request.input import Input

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VECTORS = (".npy", ".safetensors")
SOUNDS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
CONSENT = "--consent says that the person whose voice it is agrees"
LONGEST = 60.0  # seconds of a voice's sound
MAX_BYTES = 64 * 2**20  # of a vector's file


@dataclass(frozen=True)
class Vector:
    """What a file says of a voice: floats of shape (dimensions,) or (frames, dimensions)."""

    values: "NDArray[np.float32]"


def is_file_name(word: str) -> bool:
    """Whether a voice is named by a file: by its suffix alone, so that what lies in a folder changes nothing."""
    return Path(word).suffix.lower() in (*VECTORS, *SOUNDS)


def find_voice_file(word: str, folder: Path) -> Input:
    """The file of a voice, relative to `folder`, where rows come from, or else to the current one.

    Raises InputError.
    """
    path = Path(word).expanduser()
    beside = folder / path
    return Input.find(beside if beside.is_file() else path, Path(), "voice")


def read_vector(source: Input) -> Vector:
    """The numbers of a NumPy or safetensors file; of several tensors the one called as a voice is. Raises InputError.

    No pickled object is read.
    """
    import numpy

    if source.size > MAX_BYTES:
        raise InputError(f"{source.name} is over {MAX_BYTES >> 20} MiB, which no voice is")
    try:
        with source.open() as stream:
            if source.name.lower().endswith(".safetensors"):
                from safetensors.numpy import load

                values = choose_tensor(load(stream.read()), source.name)
            else:
                values = numpy.load(stream, allow_pickle=False)
        values = numpy.asarray(values, dtype=numpy.float32)
    except InputError:
        raise
    except Exception as error:  # the libraries share no class
        raise InputError(f"{source.name} cannot be read as a voice: {error}", hint="a .npy or .safetensors") from None
    values = values.reshape(values.shape[-2:]) if values.ndim > 1 else values
    values = values[0] if values.ndim == 2 and len(values) == 1 else values
    if values.ndim not in (1, 2) or not values.size or not numpy.isfinite(values).all():
        raise InputError(f"{source.name} holds no voice: a row of finite numbers")
    return Vector(values)


def choose_tensor(tensors: "dict[str, NDArray[np.float32]]", name: str) -> "NDArray[np.float32]":
    """The tensor of a voice. Raises InputError where it is not clear which one that is."""
    if len(tensors) == 1:
        return next(iter(tensors.values()))
    known = [key for key in ("speaker_embeddings", "speaker_embedding", "xvector", "audio_prompt") if key in tensors]
    if not known:
        raise InputError(f"{name} holds {len(tensors)} tensors, and a voice is one: {', '.join(sorted(tensors)[:5])}")
    return tensors[known[0]]


def read_voice_sound(source: Input, rate: int) -> "NDArray[np.float32]":
    """A recorded voice in mono at so many samples a second. Raises InputError."""
    import numpy

    from genai_cli.content.sound import Sound
    from genai_cli.events import ignore

    sound = Sound.read(source, ignore)
    seconds = len(sound.samples) / sound.sampling_rate
    if seconds > LONGEST:
        raise InputError(f"{source.name} is {seconds:.0f} s long; a voice needs at most {LONGEST:.0f} s")
    mono: NDArray[np.float32] = sound.samples.mean(axis=1, dtype=numpy.float64).astype(numpy.float32) / 32768
    if sound.sampling_rate == rate:
        return mono
    import soxr

    resampled: NDArray[np.float32] = soxr.resample(mono, sound.sampling_rate, rate)
    return resampled
