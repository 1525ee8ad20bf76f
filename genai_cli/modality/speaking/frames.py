"""Models that say frames of a codec until they end by themselves: how many they may say, and whether they did end."""

import math

from genai_cli.errors import ResultError
from genai_cli.modality.speaking.health import HINT, bound_seconds


def bound_frames(text: str, rate: float, most: int) -> int:
    """The frames, so many a second, after which speech of a text is too long in any case: `most` at most."""
    _, longest = bound_seconds(text, 1.0)
    return min(math.ceil(longest * rate) + 1, most)


def check_end(frames: int, bound: int, rate: float) -> None:
    """Raise ResultError where a model said nothing, or was still speaking at its bound."""
    if frames < 1:
        raise ResultError("the model says nothing of the text", hint=HINT)
    if frames >= bound:
        raise ResultError(f"the model does not come to an end in {frames / rate:.0f} s", hint=HINT)
