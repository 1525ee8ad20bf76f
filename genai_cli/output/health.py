"""Is a result fit to keep? What is not raises ResultError, with what to try."""

from typing import Any

from genai_cli.errors import ResultError

SILENCE = 1e-4  # of full scale: below the smallest step of 16 bits times three


def check_picture(pixels: Any, filtered: bool) -> None:
    """Refuse float pixels of shape (height, width, 3) that are not finite, of a single colour, or filtered."""
    import numpy

    if filtered:
        raise FilteredError(
            "the model's safety checker blanked the picture", hint="try another prompt or seed, or --no-safety"
        )
    if not numpy.isfinite(pixels).all():
        raise ResultError("the picture is not finite (NaN)", hint="try --dtype float32")
    if float(pixels.max() - pixels.min()) < 1 / 255:
        raise ResultError("the picture is a single colour", hint="try --dtype float32, or another seed")


def check_sound(samples: Any) -> None:
    """Refuse float samples that are none, not finite, silent, or stuck at full scale."""
    import numpy

    if samples.size == 0:
        raise ResultError("the sound is empty", hint="try another seed, or a longer --duration")
    if not numpy.isfinite(samples).all():
        raise ResultError("the sound is not finite (NaN)", hint="try --dtype float32")
    loudness = numpy.abs(samples)
    if float(loudness.max()) < SILENCE:
        raise ResultError("the sound is silent", hint="try another seed or prompt")
    if float((loudness > 0.999).mean()) > 0.5:
        raise ResultError("the sound is stuck at full scale", hint="try --dtype float32, or another seed")


def check_text(made: str) -> None:
    """Refuse a text to which the model added nothing."""
    if not made.strip():
        raise ResultError("the model added no text", hint="try another seed, or a higher --temperature")


class FilteredError(ResultError):
    """The model's own safety checker flagged the result."""
