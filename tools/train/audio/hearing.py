"""What can be measured in a sound: onsets, pitch, level and faults. numpy only.

A sound is an array (samples,) of floats, full scale is 1.
"""

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]
Float = NDArray[np.float64]

ENVELOPE_STEP = 0.005  # seconds
ENVELOPE_WINDOW = 0.02
ENVELOPE_RANGE = 45.0  # dB below the loudest moment; anything quieter counts as this
ONSET_RISE = 6.0  # dB
RISE_STEPS = 8  # of the envelope, within which an onset rises
ONSET_SPACING = 20  # envelope steps, the shortest gap between onsets
GAP_TOLERANCE = 0.25
PITCH_WINDOW = 0.25  # seconds
SHORTEST_NOTE = 0.1
PITCH_RANGE = (55.0, 1500.0)  # Hz
PITCH_LEVEL = 0.5  # a fundamental is at least this strong against the strongest partial
EDGE_LEVEL = 0.05
QUIET = 0.01
GAP_SECONDS = 2.0


def envelope(sound: Sound, rate: int) -> Float:
    """The level in dB below the loudest moment every ENVELOPE_STEP, not below -ENVELOPE_RANGE."""
    step, window = round(ENVELOPE_STEP * rate), round(ENVELOPE_WINDOW * rate)
    power = np.concatenate([[0.0], np.cumsum(np.square(sound, dtype=np.float64))])
    starts = np.arange(0, max(1, len(sound) - window), step)
    level = np.sqrt((power[np.minimum(starts + window, len(sound))] - power[starts]) / window)
    decibels = 20 * np.log10(np.maximum(level, 1e-9) / max(float(level.max()), 1e-9))
    return np.maximum(decibels, -ENVELOPE_RANGE)


def onset_times(sound: Sound, rate: int) -> Float:
    """The seconds at which notes start. There the level rises most, by ONSET_RISE or more."""
    if not np.any(sound):
        return np.zeros(0)
    level = np.concatenate([np.full(RISE_STEPS, -ENVELOPE_RANGE), envelope(sound, rate)])
    rise = level[RISE_STEPS:] - level[:-RISE_STEPS]
    around = np.lib.stride_tricks.sliding_window_view(np.pad(rise, ONSET_SPACING), 2 * ONSET_SPACING + 1)
    highest = (rise >= ONSET_RISE) & (rise == around.max(1))
    steps = np.flatnonzero(highest)
    kept = np.diff(steps, prepend=-ONSET_SPACING - 1) > ONSET_SPACING  # the first of a plateau
    return steps[kept] * ENVELOPE_STEP


def onset_rate(times: Float) -> float:
    """Onsets a second, by the median gap between onset times in seconds. 0 if there are fewer than two."""
    return 1 / float(np.median(np.diff(times))) if len(times) > 1 else 0.0


def is_uneven(times: Float) -> bool:
    """Whether a gap between onset times in seconds differs from the median gap by more than GAP_TOLERANCE of it."""
    gaps = np.diff(times)
    return len(gaps) == 0 or bool(np.any(np.abs(gaps / np.median(gaps) - 1) > GAP_TOLERANCE))


def pitch(sound: Sound, rate: int) -> float:
    """The fundamental in Hz of a short sound: its lowest spectral peak within 6 dB of the strongest. 0 if silent."""
    size = 1 << 15
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), size))
    low, high = (round(limit * size / rate) for limit in PITCH_RANGE)
    inside = spectrum[low:high]
    if inside.max(initial=0.0) <= 0:
        return 0.0
    middle = inside[1:-1]
    peaks = (middle >= inside[:-2]) & (middle > inside[2:]) & (middle >= PITCH_LEVEL * inside.max())
    found = np.flatnonzero(peaks)
    return float(low + 1 + found[0]) * rate / size if len(found) else 0.0


def notes(sound: Sound, rate: int) -> list[Sound]:
    """The first PITCH_WINDOW of every note, or the whole note if it is shorter. Very short notes are dropped."""
    times = onset_times(sound, rate)
    if len(times) == 0:
        return []
    ends = np.append(times[1:], len(sound) / rate)
    parts = [
        sound[round(start * rate) : round(min(end, start + PITCH_WINDOW) * rate)]
        for start, end in zip(times, ends, strict=True)
    ]
    return [part for part in parts if len(part) >= SHORTEST_NOTE * rate]


def note_pitches(sound: Sound, rate: int) -> Float:
    """The fundamental in Hz of every note that has one."""
    pitches = np.array([pitch(note, rate) for note in notes(sound, rate)])
    return pitches[pitches > 0]


def clicks_at_ends(sound: Sound) -> bool:
    """Whether the sound starts or ends with a step of more than EDGE_LEVEL of its peak."""
    peak = float(np.abs(sound).max(initial=0.0))
    return peak > 0 and bool(max(abs(sound[0]), abs(sound[-1])) > EDGE_LEVEL * peak)


def is_clipped(sound: Sound) -> bool:
    """Whether the sound reaches full scale."""
    return bool(np.abs(sound).max(initial=0.0) >= 1.0)


def is_silent(sound: Sound, rate: int) -> bool:
    """Whether the sound is quiet overall, or nearly silent for more than GAP_SECONDS without a break."""
    if len(sound) == 0 or np.sqrt(np.square(sound, dtype=np.float64).mean()) < QUIET:
        return True
    loud = np.flatnonzero(np.abs(sound) > QUIET / 10)
    return bool(np.diff(loud, prepend=0, append=len(sound)).max() > GAP_SECONDS * rate)
