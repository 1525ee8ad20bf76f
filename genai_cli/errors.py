"""What can go wrong, with the exit code of each kind. Only `cli.main` turns these into a message and an exit."""

from collections.abc import Sequence


class GenaiError(Exception):
    """A failure that a user can understand: one clear line, and a hint where there is a remedy."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(GenaiError):
    """Wrong usage or input."""

    exit_code = 2


class PartialError(GenaiError):
    """Some items of several failed."""

    exit_code = 3


class ChangedError(GenaiError):
    """A file is not what it was when it was made."""

    exit_code = 3


class ModelError(GenaiError):
    """The model is not available: unknown, gated, not cached and offline, or its files are broken."""

    exit_code = 4


class NetworkError(GenaiError):
    """The network gave up."""

    exit_code = 5


class OutputError(GenaiError):
    """The output could not be written."""

    exit_code = 6


class DeviceError(GenaiError):
    """The device is missing, or its memory does not suffice."""

    exit_code = 7


class ResultError(GenaiError):
    """The model gave no valid result: black, not finite, silent, empty or filtered."""

    exit_code = 8


class RefusedError(GenaiError):
    """Refused: unsafe, or a licence that is not allowed."""

    exit_code = 9


class Terminated(BaseException):
    """SIGTERM arrived; like KeyboardInterrupt it passes through `except Exception`."""


def nearest(word: str, known: Sequence[str]) -> str | None:
    """`did you mean ...?` for a misspelt word, or None where nothing known is near."""
    close = list_near(word, known)
    return f"did you mean {' or '.join(close)}?" if close else None


def list_near(word: str, known: Sequence[str]) -> list[str]:
    """The known words that a misspelt one may mean, the nearest first."""
    from difflib import get_close_matches

    return get_close_matches(word.lower(), known, n=3, cutoff=0.5)
