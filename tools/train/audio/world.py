"""What the model knows: instruments, registers, tempi, modes, and the melodies of its training."""

from dataclasses import dataclass

import numpy as np

SAMPLING_RATE = 16_000  # Hz
FRAME_RATE = 20  # codec frames a second
HOP = SAMPLING_RATE // FRAME_RATE  # samples a frame
MAX_SECONDS = 10

INSTRUMENTS = ("piano", "flute", "guitar", "bass", "organ", "bells", "drums")
REGISTERS = ("low", "high")
TEMPI = ("slow", "medium", "fast")
MODES = ("major", "minor")

# Frames from onset to onset. Each divides a second, so a sound of whole seconds ends where a note ends. Each is at
# least twice the next, so that tempi can be told apart.
GAP_FRAMES = {"slow": 20, "medium": 10, "fast": 5}
# Root and grid in Hz. The other notes are up to an octave higher. Each is rounded to the grid (by 27 cents at most),
# so that a held note repeats exactly within one, two or four codec frames.
ROOT = {"low": (160, 10), "high": (640, 20)}
BASS_ROOT = (80, 5)  # an octave below the low notes of the others
# Semitones above the root that a pattern's degrees stand for: first, second, third, fifth, sixth, octave.
SCALE = {"major": (0, 2, 4, 7, 9, 12), "minor": (0, 2, 3, 7, 8, 12)}
SEMITONES = tuple(sorted({step for scale in SCALE.values() for step in scale}))
# Each pattern has a third in its first notes, so that even a short slow sound has a mode.
PATTERNS = (
    (0, 2, 3, 5, 3, 2, 4, 3),
    (5, 2, 4, 3, 2, 1, 0, 2),
    (0, 2, 1, 0, 3, 2, 1, 0),
    (3, 2, 0, 2, 3, 4, 3, 2),
    (2, 3, 4, 5, 4, 3, 2, 0),
    (0, 1, 2, 3, 5, 4, 3, 2),
    (2, 0, 3, 2, 4, 3, 5, 2),
    (5, 4, 3, 2, 3, 2, 1, 0),
)
DRUMS = ("kick", "hat", "snare", "tom")
BEATS = ((0, 1, 2, 1), (0, 2, 0, 2), (0, 1, 2, 3), (0, 0, 2, 1))


@dataclass(frozen=True)
class Piece:
    """The attributes of a sound. Drums have no `register` and no `mode`. A bass is always low."""

    instrument: str
    register: str
    tempo: str
    mode: str

    @property
    def has_register(self) -> bool:
        """Whether the piece has a register. Drums have no pitch."""
        return self.instrument != "drums"

    @property
    def notes(self) -> int:
        """Notes in MAX_SECONDS."""
        return MAX_SECONDS * FRAME_RATE // GAP_FRAMES[self.tempo]


def draw_piece(rng: np.random.Generator, **given: str) -> Piece:
    """A piece with the given attributes. The others are random."""
    instrument = given.get("instrument") or str(rng.choice([name for name in INSTRUMENTS if _plays(name, given)]))
    register = "low" if instrument == "bass" else given.get("register") or str(rng.choice(REGISTERS))
    tempo = given.get("tempo") or str(rng.choice(TEMPI))
    return Piece(instrument, register, tempo, given.get("mode") or str(rng.choice(MODES)))


def _plays(instrument: str, given: dict[str, str]) -> bool:
    """Whether an instrument can have the given register or mode."""
    if instrument == "drums":
        return "register" not in given and "mode" not in given
    return not (instrument == "bass" and given.get("register") == "high")


def frequency(piece: Piece, semitones: int) -> float:
    """The fundamental in Hz of a note in the piece's register."""
    root, grid = BASS_ROOT if piece.instrument == "bass" else ROOT[piece.register]
    return float(grid * round(root * 2 ** (semitones / 12) / grid))


def melodies(piece: Piece) -> int:
    """How many different melodies a piece can have."""
    return len(PATTERNS) if piece.has_register else len(BEATS)


def melody_notes(piece: Piece, melody: int) -> list[int]:
    """The notes of MAX_SECONDS: semitones above the root, or indices into DRUMS. One pattern repeats."""
    pattern = [SCALE[piece.mode][degree] for degree in PATTERNS[melody]] if piece.has_register else BEATS[melody]
    return [pattern[index % len(pattern)] for index in range(piece.notes)]
