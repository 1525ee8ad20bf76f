"""Whether speech can be that of its text: as long as it should be, and another one than that of another text."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genai_cli.errors import ResultError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Readers say 12 to 20 letters a second; a model that says fewer or more than these has lost the text.
FASTEST, SLOWEST = 60.0, 2.0
SPARE = 3.0  # seconds that any speech may take beyond that: breath before and after, a word that is spelled
LONGEST_SILENCE = 3.0  # seconds inside what is spoken at once
SILENCE = 1e-3  # of the loudest sample
SAME = 0.999  # of 1: the correlation of two sounds from which on they are one
HINT = "try another seed, another voice or a shorter text"


def check_speech(samples: "NDArray[np.float32]", rate: int, text: str, speed: float) -> None:
    """Raise ResultError where samples of shape (samples,) are too short or too long for the text, or mostly silence."""
    import numpy

    if not numpy.isfinite(samples).all():
        raise ResultError("the speech is not finite (NaN)", hint="try --dtype float32")
    seconds = len(samples) / rate
    shortest, longest = bound_seconds(text, speed)
    said = f"{seconds:.2f} s of speech for {count_letters(text)} letters"
    if seconds < shortest:
        raise ResultError(f"{said}: the end is cut off", hint=HINT)
    if seconds > longest:
        raise ResultError(f"{said}: far too long", hint=HINT)
    if (silence := measure_silence(samples) / rate) > LONGEST_SILENCE:
        raise ResultError(f"{said}, with a silence of {silence:.1f} s in it", hint=HINT)


def bound_seconds(text: str, speed: float) -> tuple[float, float]:
    """The seconds that speech of a text takes at least and at most."""
    letters = count_letters(text)
    return letters / FASTEST / speed, letters / SLOWEST / speed + SPARE


def count_letters(text: str) -> int:
    """How many letters and digits a text has."""
    return sum(letter.isalnum() for letter in text)


def measure_silence(samples: "NDArray[np.float32]") -> int:
    """How many samples the longest silence has."""
    import numpy

    loud = numpy.abs(samples)
    heard = numpy.flatnonzero(loud > SILENCE * float(loud.max(initial=0.0)))
    ends = numpy.concatenate([[-1], heard, [len(samples)]])
    return int(numpy.diff(ends).max()) - 1


@dataclass
class Comparison:
    """Remembers what was spoken with a seed, to tell a model that says the same for every text."""

    spoken: dict[str, "NDArray[np.float32]"] = field(default_factory=dict)

    def take(self, text: str, samples: "NDArray[np.float32]") -> None:
        """Raise ResultError if these are the samples of another text."""
        import numpy

        for other, before in self.spoken.items():
            length = min(len(before), len(samples))
            first, second = before[:length].astype(numpy.float64), samples[:length].astype(numpy.float64)
            loudness = float(numpy.sqrt((first @ first) * (second @ second)))
            if other != text and loudness and float(first @ second) / loudness > SAME:
                raise ResultError("the model says the same whatever the text is", hint="choose another model")
        self.spoken = {text: samples}  # the one before is enough, and a book is long
