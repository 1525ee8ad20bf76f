"""For how long models are kept loaded between commands."""

import re
import sys
from dataclasses import dataclass
from typing import Annotated, ClassVar

from genai_cli.errors import InputError
from genai_cli.request.option import MODEL, Option

AUTO, OFF = "auto", "off"
AUTO_SECONDS = 300.0
DURATION = re.compile(r"(\d{1,6})(s|m|h|)")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def complete_keep(word: str) -> list[str]:
    """The times that an unfinished word may mean."""
    return [name for name in (AUTO, OFF, "10m", "1h") if name.startswith(word)]


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """Whether a worker process keeps the model for the next command, and how long it waits for one."""

    heading: ClassVar[str] = MODEL

    keep: Annotated[
        str,
        Option(
            "--keep",
            metavar="TIME",
            help="Keep the model loaded for the next command: 90s, 10m, 2h, auto or off.",
            default="auto: 5m where stderr is a terminal",
            complete=complete_keep,
        ),
    ] = AUTO

    def __post_init__(self) -> None:
        parse_keep(self.keep)

    def choose_seconds(self, otherwise: float) -> float:
        """For how many seconds, where auto means so many whatever stderr is; 0 for off."""
        seconds = parse_keep(self.keep)
        return otherwise if seconds is None else seconds

    def find_seconds(self, is_local: bool = True) -> float:
        """For how many seconds; 0: the command loads its models itself. Raises InputError where that cannot be."""
        from genai_cli.work.engines.link import can_work

        seconds = parse_keep(self.keep)
        if seconds and not is_local:
            raise InputError("--keep is for the local engine: Ray's workers end with the command", hint="leave it out")
        if seconds and not can_work():
            raise InputError("--keep needs Unix sockets, which this system does not have", hint="leave it out")
        if seconds is None:
            return AUTO_SECONDS if is_local and can_work() and sys.stderr.isatty() else 0
        return seconds


def parse_keep(text: str) -> float | None:
    """The seconds of `--keep`: 0 for off, None for auto. Raises InputError."""
    if text == AUTO:
        return None
    found = DURATION.fullmatch(text.strip())
    if text != OFF and not found:
        raise InputError(f"--keep must be auto, off or a time such as 90s, 10m or 2h, not {text!r}")
    return float(int(found[1]) * UNITS[found[2]]) if found else 0.0
