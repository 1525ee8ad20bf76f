"""A voice on one tone: the loudness of bands of frequency, 62.5 times a second, and the sound that they make.

A channel vocoder (Dudley, Remaking Speech, 1939). Its tone has exactly two periods in a frame and its hiss one, so the
waves of a frame are always the same ones, at its levels: HiFi-GAN's layers can hold the whole synthesis.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from tools.train.shared.speech import SAMPLING_RATE, Spoken

FRAME = 256
"""samples"""
WINDOW = 2 * FRAME
BANDS = 32
LEVELS = 2 * BANDS
"""of a frame: those of the bands of the tone, then those of the hiss"""
KNOTS = np.linspace(0.0, 1.0, 5)
AMPLITUDES = np.concatenate([[0.0], 10 ** (np.array([-57.0, -38.0, -19.0, 0.0]) / 20)])
"""A level of KNOTS has this amplitude; between two knots it grows evenly. So a level is nearly a loudness in dB."""
GAIN = 1.6
"""What reading takes away: it averages over the gaps between the harmonics."""
_TONE = SAMPLING_RATE / FRAME * 2
UNVOICED = frozenset(["p", "t", "k", "f", "th", "s", "sh", "ch", "hh", "pau"])
HISSING = {"z": 1500.0, "zh": 1500.0, "jh": 1500.0, "v": 2000.0, "dh": 2000.0}
"""Hz from which a voiced phone hisses"""
VOICED_TO = 5000.0
"""Hz: above it, every phone hisses"""

Array = NDArray[np.float64]


@cache
def _centres() -> Array:
    """Of the bands, in Hz: each harmonic of the tone at first, wider ones above."""
    return np.concatenate([np.arange(1, 17) * 125.0, 2000 + np.arange(1, 9) * 250.0, 4000 + np.arange(1, 9) * 490.0])


@cache
def _smoothing() -> Array:
    """(bands, bins): how much of each bin's power a band takes. Wide enough to hide the speaker's own pitch."""
    bins = np.arange(WINDOW // 2 + 1) * SAMPLING_RATE / WINDOW
    centres = _centres()
    widths = np.maximum(190.0, np.gradient(centres))[:, None]
    weights = np.clip(1 - np.abs(bins - centres[:, None]) / widths, 0, None)
    return np.asarray(weights / weights.sum(1, keepdims=True))


@cache
def _wave_window() -> Array:
    return np.asarray(np.hanning(WINDOW + 1)[:-1])


def read_levels(samples: NDArray[np.int16], voiced_to: Array) -> Array:
    """The levels of speech, (frames, LEVELS) from 0 to 1; frame i is about sample FRAME * i.

    voiced_to (frames,) has the Hz up to which each frame is voiced; 0 for one that only hisses.
    """
    sound = np.pad(samples / 32768.0, (FRAME, 2 * FRAME))
    starts = np.arange(len(voiced_to)) * FRAME
    frames = sound[np.minimum(starts[:, None] + np.arange(WINDOW), len(sound) - 1)] * _wave_window()
    power = np.abs(np.fft.rfft(frames)) ** 2 / _wave_window().sum() ** 2 * 4
    level = np.interp(np.sqrt(power @ _smoothing().T), AMPLITUDES, KNOTS)
    voiced = _centres() <= voiced_to[:, None]
    return np.concatenate([level * voiced, level * ~voiced], 1)


def read_speech(said: Spoken) -> Array:
    """The levels of what flite said, whose phones tell what is voiced."""
    return read_levels(said.samples, voiced_limits(said.phones, len(said.samples) // FRAME))


@cache
def band_waves() -> Array:
    """The sound of each band at level 1, (LEVELS, WINDOW): tones and hiss that repeat after FRAME, under a window."""
    clock = np.arange(WINDOW) / SAMPLING_RATE
    rng = np.random.default_rng(5)
    waves = []
    for step, phases in ((_TONE, np.zeros(200)), (_TONE / 2, rng.uniform(0, 2 * np.pi, 200))):
        pitches = np.arange(1, int(SAMPLING_RATE / 2 / step)) * step
        tones = np.cos(2 * np.pi * pitches[:, None] * clock + phases[: len(pitches), None])
        shares = _shares(pitches)
        # Twice as many tones share the power of a band of hiss.
        waves.append(shares @ tones * np.sqrt(step / _TONE))
    return np.asarray(GAIN * np.concatenate(waves) * _wave_window())


def _shares(pitches: Array) -> Array:
    """(bands, pitches): each pitch's amplitude, drawn straight between the centres of the bands."""
    eye = np.eye(BANDS)
    return np.stack([np.interp(pitches, _centres(), row) for row in eye])


def make_sound(levels: Array) -> Array:
    """The sound of levels (frames, LEVELS): FRAME samples a frame, from the middle of the first one's window on."""
    waves = np.interp(levels, KNOTS, AMPLITUDES) @ band_waves()
    sound = np.zeros(FRAME * (len(levels) + 1))
    for number, wave in enumerate(waves):
        sound[number * FRAME : number * FRAME + WINDOW] += wave
    return sound[FRAME // 2 : -FRAME // 2]


def voiced_limits(phones: tuple[tuple[str, float], ...], frames: int) -> Array:
    """The Hz up to which each frame is voiced, by flite's phones and their ends in s."""
    middles = np.arange(frames) * FRAME / SAMPLING_RATE
    ends = np.array([end for _, end in phones])
    names = [name for name, _ in phones]
    limits = [0.0 if name in UNVOICED else HISSING.get(name, VOICED_TO) for name in names]
    places = np.minimum(np.searchsorted(ends, middles, side="right"), len(names) - 1)
    return np.array(limits)[places]
