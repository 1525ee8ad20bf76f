"""Sound while it is made: into a pipe as a WAV, or to a program that plays it."""

import os
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from genai_cli import __version__
from genai_cli.content.record import GENERATED
from genai_cli.content.wave_stream import make_head
from genai_cli.events import SoundPiece

# Programs that play a WAV from their standard input as it comes.
PLAYERS = (("ffplay", "-nodisp", "-autoexit", "-loglevel", "error", "-i", "-"), ("aplay", "--quiet", "-"))


@dataclass
class SoundStream:
    """Writes pieces of one sound as they come."""

    target: IO[bytes]
    player: "subprocess.Popen[bytes] | None" = None
    has_begun: bool = field(default=False, init=False)

    @classmethod
    def to_pipe(cls) -> "SoundStream | None":
        """To standard output; None where that is a file, which gets the whole sound with its record."""
        mode = os.fstat(sys.stdout.fileno()).st_mode
        return cls(sys.stdout.buffer) if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None

    @classmethod
    def to_player(cls) -> "SoundStream | None":
        """To a program that plays it; None where there is none."""
        words = next((words for words in PLAYERS if shutil.which(words[0])), None)
        if words is None:
            return None
        player = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        return cls(player.stdin, player) if player.stdin is not None else None

    def take(self, piece: SoundPiece) -> None:
        """Write a piece, the first after a head that says that the sound is generated. Raises OSError."""
        if not self.has_begun:
            self.has_begun = True
            self.target.write(make_head(piece.sampling_rate, {"ISFT": f"genai {__version__}", "ICMT": GENERATED}))
        self.target.write(piece.samples)
        self.target.flush()

    def end(self) -> None:
        """Wait until a player has played all of it."""
        if self.player is not None:
            with suppress(OSError):
                self.target.close()
            self.player.wait()


@dataclass
class Listeners:
    """Who hears a sound while it is made: whoever reads standard output, a player, both or none."""

    pipe: SoundStream | None = None
    player: SoundStream | None = None
    has_lost_player: bool = field(default=False, init=False)

    @classmethod
    def choose(cls, to_stdout: bool, plays: bool) -> "Listeners":
        """Those that are asked for, where they can hear pieces."""
        return cls(
            SoundStream.to_pipe() if to_stdout else None,
            SoundStream.to_player() if plays else None,
        )

    @property
    def has_written(self) -> bool:
        """Whether standard output has the sound already."""
        return self.pipe is not None and self.pipe.has_begun

    @property
    def has_played(self) -> bool:
        """Whether a player has the sound already."""
        return self.player is not None and self.player.has_begun

    def take(self, piece: SoundPiece) -> None:
        """Pass on a piece. A player may have gone, and the file is made all the same. Raises OSError for a pipe."""
        if self.pipe is not None:
            self.pipe.take(piece)
        if self.player is not None and not self.has_lost_player:
            try:
                self.player.take(piece)
            except OSError:
                self.has_lost_player = True

    def end(self) -> None:
        """Wait until all of it was heard."""
        if self.player is not None:
            self.player.end()
