"""Speech that programs synthesise for training: espeak-ng and flite. Nothing of them is shipped."""

from __future__ import annotations

import io
import multiprocessing
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from tools.train.shared.espeak import load_espeak

SAMPLING_RATE = 16_000
QUIET = 0.004
"""of full scale: what is quieter at both ends of a clip is silence"""


@dataclass(frozen=True)
class Order:
    """A text, and how a program is to say it."""

    text: str
    program: str
    """espeak-ng or flite"""
    voice: str
    speed: int = 160
    """words a minute; flite takes it as a share of 160"""
    pitch: int | None = None
    """0 to 99; None for the voice's own"""
    head: float = 1.0
    """The speech is said that much slower and played that much faster, as a smaller head would say it (flite)."""


@dataclass(frozen=True)
class Spoken:
    """What a program said: int16 samples of shape (samples,) at 16 kHz.

    flite tells its phones with their ends in s, espeak-ng the s at which the word at each place in the text begins.
    """

    samples: NDArray[np.int16]
    phones: tuple[tuple[str, float], ...] = ()
    begins: dict[int, float] = field(default_factory=dict)


def check_programs(names: Iterable[str]) -> None:
    """Raise FileNotFoundError, with the command that installs it, if a program is not on PATH."""
    for name in names:
        if shutil.which(name) is None:
            raise FileNotFoundError(f"the program {name} is needed: apt-get install {name}")


def say(order: Order) -> Spoken:
    """Synthesise one order. Raises subprocess.CalledProcessError if flite fails."""
    if order.program == "flite":
        changed = ["--setf", f"duration_stretch={160 / order.speed * order.head:.3f}"]
        if order.pitch is not None:
            changed += ["--setf", f"int_f0_target_mean={75 * 2 ** (order.pitch / 68):.1f}"]  # 75 to 205 Hz
        command = ["flite", "-voice", order.voice, *changed, "-psdur", "-o", "/dev/stdout", "-t", order.text]
        out = subprocess.run(command, check=True, capture_output=True).stdout
        start = out.index(b"RIFF")
        # The phones come before the sound or after it: the program buffers its text and its sound apart.
        length = 8 + int.from_bytes(out[start + 4 : start + 8], "little")
        listed = (out[:start] + out[start + length :]).decode("ascii", "replace")
        phones = tuple((name, float(end) / order.head) for name, end in re.findall(r"([a-z]+):([0-9.]+)", listed))
        return Spoken(_read(out[start : start + length], order.head), phones)
    espeak = load_espeak()
    samples, begins = espeak.say(order.text, order.voice, order.speed, 50 if order.pitch is None else order.pitch)
    return Spoken(soxr.resample(samples, espeak.rate, SAMPLING_RATE), begins=begins)


def say_all(orders: list[Order], processes: int) -> Iterator[Spoken]:
    """Synthesise all orders in order, in that many processes."""
    if processes < 2:
        yield from map(say, orders)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(say, orders, chunksize=16)


def trim(samples: NDArray[np.int16]) -> tuple[int, int]:
    """The first and the last sample (exclusive) of what is louder than QUIET of full scale; (0, 0) for silence."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > QUIET * 32768)
    return (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (0, 0)


def _read(wav: bytes, faster: float) -> NDArray[np.int16]:
    """The samples of a mono WAV at SAMPLING_RATE, played so many times faster.

    A header written to a pipe may state a wrong length.
    """
    data = bytearray(wav)
    data[4:8] = (len(data) - 8).to_bytes(4, "little")
    place = data.index(b"data")
    data[place + 4 : place + 8] = (len(data) - place - 8).to_bytes(4, "little")
    samples, rate = soundfile.read(io.BytesIO(bytes(data)), dtype="int16")
    resampled: NDArray[np.int16] = soxr.resample(samples, rate * faster, SAMPLING_RATE)
    return resampled
