"""What was heard of a long sound, kept in the user's cache until all of it is: an interrupted run goes on there.

A file for each sound, model and set of options, a JSON line for each window. It is removed when the transcript is made.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

from genai_cli import __version__
from genai_cli.content.segments import Segment
from genai_cli.types import JsonObject

OLDEST = 14 * 24 * 3600  # seconds after which nobody goes on


def locate_parts() -> Path:
    """The folder."""
    from platformdirs import user_cache_path

    return user_cache_path("genai") / "transcripts"


class KeptParts:
    """The windows of one sound that were heard, by their number; nothing is kept where the folder cannot be written."""

    def __init__(self, *identity: object) -> None:
        """`identity` is what decides what is heard: the sound's content, the model, and the options."""
        text = json.dumps([__version__, *identity], sort_keys=True, default=str)
        self.path = locate_parts() / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.jsonl"
        self.language: str | None = None
        self.windows: dict[int, tuple[Segment, ...]] = {}
        for line in self.read_lines():
            self.language = line.get("language") or self.language
            self.windows[int(line["window"])] = tuple(Segment.read(one) for one in line["segments"])

    def read_lines(self) -> Iterator[JsonObject]:
        """The whole lines."""
        with contextlib.suppress(OSError), self.path.open(encoding="utf-8") as stream:
            for text in stream:
                with contextlib.suppress(ValueError):
                    line = json.loads(text)
                    if isinstance(line, dict) and {"window", "segments"} <= line.keys():
                        yield line

    def add(self, window: int, segments: tuple[Segment, ...], language: str | None) -> None:
        """Keep a window that was heard."""
        self.windows[window] = segments
        line = {"window": window, "language": language, "segments": [one.record() for one in segments]}
        with contextlib.suppress(OSError):
            if not self.path.parent.is_dir():
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            is_new = not self.path.exists()
            with self.path.open("a", encoding="utf-8") as stream:
                if is_new:
                    self.path.chmod(0o600)
                    sweep(self.path.parent)
                stream.write(f"{json.dumps(line)}\n")

    def remove(self) -> None:
        """The transcript is made."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what nobody went on with."""
    for path in folder.glob("*.jsonl"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > OLDEST:
                path.unlink()
