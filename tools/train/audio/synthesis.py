"""Sound of a piece by additive synthesis. A note starts on a codec frame and is silent where the next one starts."""

import functools

import numpy as np
from numpy.typing import NDArray

from tools.train.audio.world import DRUMS, FRAME_RATE, GAP_FRAMES, HOP, SAMPLING_RATE, Piece, frequency, melody_notes

Samples = NDArray[np.float32]
Float = NDArray[np.float64]

LOUDNESS = 0.16  # root mean square of the first 0.2 s of a note
PEAK = 0.85
RELEASE_SECONDS = 0.025
HIGHEST = 7000.0  # Hz, no partial above
NOISE_SEED = 5


def _attack(time: Float, seconds: float) -> Float:
    return np.minimum(1.0, time / seconds)


def _partials(time: Float, pitch: float, ratios: Float, levels: Float, decays: Float) -> Float:
    """A sum of sines that start at phase 0. `decays` are in 1/s. Arrays have one entry per partial."""
    kept = ratios * pitch < HIGHEST
    phase = 2 * np.pi * pitch * ratios[kept, None] * time
    return (levels[kept, None] * np.exp(-decays[kept, None] * time) * np.sin(phase)).sum(0)


def _piano(time: Float, pitch: float) -> Float:
    order = np.arange(1.0, 13.0)
    return _attack(time, 0.004) * _partials(time, pitch, order, order**-1.2, 3.0 + 0.7 * order)


def _flute(time: Float, pitch: float) -> Float:
    levels = np.array([1.0, 0.12, 0.05])
    breathing = 1 + 0.15 * np.sin(2 * np.pi * 5 * time)
    return _attack(time, 0.06) * breathing * _partials(time, pitch, np.arange(1.0, 4.0), levels, np.full(3, 0.6))


def _guitar(time: Float, pitch: float) -> Float:
    order = np.arange(1.0, 31.0)
    buzz = np.tanh(4 * _partials(time, pitch, order, 1 / order, np.full(30, 0.4)))
    return _attack(time, 0.003) * buzz * np.exp(-0.8 * time)


def _bass(time: Float, pitch: float) -> Float:
    levels = np.array([1.0, 0.7, 0.35, 0.2, 0.1])
    return _attack(time, 0.008) * _partials(time, pitch, np.arange(1.0, 6.0), levels, np.full(5, 2.0))


def _organ(time: Float, pitch: float) -> Float:
    levels = np.array([1.0, 0.8, 0.5, 0.6, 0.35, 0.4])
    return _attack(time, 0.02) * _partials(time, pitch, np.array([1.0, 2, 3, 4, 6, 8]), levels, np.full(6, 0.6))


def _bells(time: Float, pitch: float) -> Float:
    """The partials of a tuned bar, rounded so that they repeat with the codec's frames, like the fundamental."""
    ratios = np.round(np.array([1.0, 2.76, 5.4, 8.93]) * pitch / FRAME_RATE) * FRAME_RATE / pitch
    ratios[0] = 1.0
    levels, decays = np.array([1.0, 0.6, 0.4, 0.25]), np.array([3.0, 5.0, 8.0, 12.0])
    return _attack(time, 0.002) * _partials(time, pitch, ratios, levels, decays)


def _drum(time: Float, name: str) -> Float:
    """One of DRUMS. Its noise is the same for each stroke."""
    noise = np.random.default_rng(NOISE_SEED).standard_normal(len(time))
    if name == "kick":
        return np.sin(2 * np.pi * (50 * time - 4 * np.expm1(-25 * time))) * np.exp(-9 * time)
    if name == "snare":
        return (0.7 * noise + np.sin(2 * np.pi * 190 * time)) * np.exp(-18 * time)
    if name == "hat":
        return np.diff(noise, prepend=0.0) * np.exp(-40 * time)
    return np.sin(2 * np.pi * (110 * time - 3 * np.expm1(-20 * time))) * np.exp(-8 * time)


INSTRUMENT_SOUNDS = {
    "piano": _piano,
    "flute": _flute,
    "guitar": _guitar,
    "bass": _bass,
    "organ": _organ,
    "bells": _bells,
}


@functools.lru_cache(maxsize=2048)
def _note(piece: Piece, note: int) -> Samples:
    """One note of a piece, as long as its tempo's gap."""
    count = GAP_FRAMES[piece.tempo] * HOP
    time = np.arange(count) / SAMPLING_RATE
    if piece.instrument == "drums":
        sound = _drum(time, DRUMS[note])
    else:
        sound = INSTRUMENT_SOUNDS[piece.instrument](time, frequency(piece, note))
    release = round(RELEASE_SECONDS * SAMPLING_RATE)
    sound[-release:] *= np.linspace(1, 0, release)
    sound *= LOUDNESS / np.sqrt(np.square(sound[: SAMPLING_RATE // 5]).mean())
    return np.asarray(sound * min(1.0, PEAK / np.abs(sound).max()), np.float32)


def render(piece: Piece, melody: int) -> Samples:
    """MAX_SECONDS of a piece with the given melody, (samples,) within full scale."""
    return np.concatenate([_note(piece, note) for note in melody_notes(piece, melody)])
