"""Compares sounds with what was requested: instrument, register, tempo, mode, and faults. Needs only numpy."""

import math
from dataclasses import dataclass

import numpy as np

from tools.train.audio.hearing import (
    Sound,
    clicks_at_ends,
    is_clipped,
    is_silent,
    is_uneven,
    note_pitches,
    onset_rate,
    onset_times,
)
from tools.train.audio.timbre import find_instrument
from tools.train.audio.world import FRAME_RATE, GAP_FRAMES, ROOT, Piece

# Halfway, in octaves, between the highest low note and the lowest high one.
REGISTER_LIMIT = math.sqrt(2 * ROOT["low"][0] * ROOT["high"][0])
# Semitones above the root that only one of the modes has.
TELLING = {"major": (4, 9), "minor": (3, 8)}
FAULTS = ("clicks", "clipped", "silent", "uneven")


@dataclass(frozen=True)
class Heard:
    """What was measured in a sound. `pitch` is the median in Hz, and `rate` is in onsets a second."""

    instrument: str
    register: str
    tempo: str
    mode: str
    pitch: float
    rate: float
    clicks: bool
    clipped: bool
    silent: bool
    uneven: bool

    def matches(self, piece: Piece, attribute: str) -> bool:
        """Whether an attribute is as requested."""
        return bool(getattr(self, attribute) == getattr(piece, attribute))


def nearest_tempo(rate: float) -> str:
    """The tempo whose onsets a second are nearest in ratio. Empty ("") if there are fewer than two onsets."""
    if rate <= 0:
        return ""
    return min(GAP_FRAMES, key=lambda name: abs(math.log(rate * GAP_FRAMES[name] / FRAME_RATE)))


def nearest_mode(pitches: Sound) -> str:
    """The mode with more of its own thirds and sixths among the pitches in Hz. Empty ("") if neither has more."""
    steps = np.round(12 * np.log2(pitches / ROOT["low"][0])).astype(int) % 12
    counts = {mode: int(np.isin(steps, telling).sum()) for mode, telling in TELLING.items()}
    if counts["major"] == counts["minor"]:
        return ""
    return max(counts, key=lambda mode: counts[mode])


def measure_sound(sound: Sound, rate: int) -> Heard:
    """Measure a sound of `rate` samples a second."""
    pitches = note_pitches(sound, rate)
    middle = float(np.median(pitches)) if len(pitches) else 0.0
    times = onset_times(sound, rate)
    onsets = onset_rate(times)
    return Heard(
        instrument=find_instrument(sound, rate),
        register="low" if middle < REGISTER_LIMIT else "high",
        tempo=nearest_tempo(onsets),
        mode=nearest_mode(pitches),
        pitch=middle,
        rate=onsets,
        clicks=clicks_at_ends(sound),
        clipped=is_clipped(sound),
        silent=is_silent(sound, rate),
        uneven=is_uneven(times),
    )
