"""Finds the instrument by linear discriminant analysis on the spectrum and envelope of a sound. Needs only numpy."""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.train.audio.hearing import ENVELOPE_STEP, Sound, envelope, notes, onset_times, pitch
from tools.train.audio.synthesis import render
from tools.train.audio.world import INSTRUMENTS, REGISTERS, SAMPLING_RATE, TEMPI, Piece

Float = NDArray[np.float64]

PARTIALS = 10
PARTIAL_WIDTH = 0.15  # of the fundamental, to each side
FLOOR = 1e-3  # of a note's power
SPECTRUM_SIZE = 8192
ENVELOPE_SECONDS = (0.03, 0.06, 0.12, 0.18)  # after an onset
MELODIES = (0, 3)
SECONDS = 3
# Noise on the examples, as a share of full scale: none, and that of a poor codec.
NOISE = (0.0, 0.003, 0.01)
RIDGE = 0.3


def partial_levels(note: Sound, rate: int) -> Float:
    """The shares in dB of a note's power in its first partials, between them and above them, (PARTIALS + 2,)."""
    power = np.square(np.abs(np.fft.rfft(note * np.hanning(len(note)), SPECTRUM_SIZE)))
    order = np.arange(len(power)) * rate / SPECTRUM_SIZE / max(pitch(note, rate), 1.0)
    nearest = np.round(order)
    is_partial = (abs(order - nearest) <= PARTIAL_WIDTH) & (nearest > 0)
    levels = [power[is_partial & (nearest == number)].sum() for number in range(1, PARTIALS + 1)]
    levels += [power[~is_partial].sum(), power[is_partial & (nearest > PARTIALS)].sum()]
    return 10 * np.log10(np.array(levels) / max(float(power.sum()), 1e-12) + FLOOR)


def note_shape(sound: Sound, rate: int) -> Float:
    """The mean level in dB at ENVELOPE_SECONDS after the onsets, relative to the loudest moment of each note."""
    level = envelope(sound, rate)
    steps = np.round(np.array(ENVELOPE_SECONDS) / ENVELOPE_STEP).astype(int)
    starts = np.round(onset_times(sound, rate) / ENVELOPE_STEP).astype(int)
    shapes = [
        level[start + steps] - level[start : start + steps[-1]].max()
        for start in starts
        if start + steps[-1] < len(level)
    ]
    return np.mean(shapes, axis=0) if shapes else np.zeros(len(steps))


def features(sound: Sound, rate: int) -> Float:
    """The classifier's input: levels in dB, and the pitch in octaves, where one octave counts like ten dB."""
    played = notes(sound, rate)
    if not played:
        return np.zeros(PARTIALS + 3 + len(ENVELOPE_SECONDS))
    levels = np.mean([partial_levels(note, rate) for note in played], axis=0)
    octave = np.median([np.log2(max(pitch(note, rate), 1.0)) for note in played])
    return np.concatenate([levels, note_shape(sound, rate), [10 * octave]])


@dataclass(frozen=True)
class Discriminant:
    """Class names, their mean features (classes, width), and the inverse of the covariance within classes."""

    names: tuple[str, ...]
    means: Float
    precision: Float

    def nearest(self, values: Float) -> str:
        """The class with the smallest Mahalanobis distance."""
        distance = self.means - values
        return self.names[int(np.einsum("cw,wv,cv->c", distance, self.precision, distance).argmin())]


def _examples(instrument: str, register: str) -> Float:
    """Features (examples, width) of synthesised sounds."""
    rng = np.random.default_rng(0)
    rows = []
    for tempo in TEMPI:
        for melody in MELODIES:
            sound = render(Piece(instrument, register, tempo, "major"), melody)[: SECONDS * SAMPLING_RATE]
            for level in NOISE:
                noise = rng.standard_normal(len(sound)).astype(np.float32)
                rows.append(features(sound + np.float32(level) * noise, SAMPLING_RATE))
    return np.array(rows)


@functools.cache
def fit_discriminant() -> Discriminant:
    """The classifier fitted on the synthesiser. It has one class for each instrument in each of its registers."""
    names, means, spreads = [], [], []
    for instrument in INSTRUMENTS:
        for register in REGISTERS[:1] if instrument in ("bass", "drums") else REGISTERS:
            rows = _examples(instrument, register)
            names.append(instrument)
            means.append(rows.mean(0))
            spreads.append(rows - rows.mean(0))
    residuals = np.concatenate(spreads)
    covariance = residuals.T @ residuals / len(residuals)
    ridge = RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    return Discriminant(tuple(names), np.array(means), np.linalg.inv(covariance + ridge))


def find_instrument(sound: Sound, rate: int) -> str:
    """Find the instrument of INSTRUMENTS that a sound resembles most."""
    return fit_discriminant().nearest(features(sound, rate))
