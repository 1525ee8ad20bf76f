"""What the terminal can show. It is asked, since names tell little: over ssh and in tmux they are those of another.

Queries: kitty's graphics protocol (https://sw.kovidgoyal.net/kitty/graphics-protocol/), XTVERSION, the size of a cell,
the largest sixels and the device attributes (xterm's ctlseqs). Every terminal answers the last one, which ends the wait
for the others. tmux answers it itself and is asked what it knows of the terminal around it, which is asked the same if
tmux lets that through.
"""

import os
import re
import select
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

KITTY, ITERM, SIXEL, BLOCKS = "kitty", "iterm2", "sixel", "blocks"
PATIENCE = 1.0  # seconds for all answers, also over a slow line; most terminals take milliseconds
ESCAPE = "\x1b"
ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]+)c")
CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
LIMIT = re.compile(rb"\x1b\[\?2;0;(\d+);(\d+)S")  # of sixels: XTSMGRAPHICS
HAS_ITERM = re.compile(rb"\x1bP>\|(iTerm2|WezTerm)")
# Those that show a picture where a text has kitty's placeholders: the only pictures that tmux can move and erase.
VERSION = re.compile(rb"\x1bP>\|(kitty|ghostty)[( ](\d+)\.(\d+)")
PLACEHOLDERS_SINCE = {b"kitty": (0, 28), b"ghostty": (1, 0)}
USUAL_CELL = (8, 16)  # pixels, where the terminal does not say
SIXEL_ATTRIBUTE = b"4"
LARGEST_CELL = 200


@dataclass(frozen=True)
class Screen:
    """A terminal that shows pictures: how, in how many columns and rows, and how many pixels a cell has."""

    protocol: str
    columns: int
    rows: int
    cell: tuple[int, int] = USUAL_CELL
    true_colour: bool = True
    """Whether it has colours of 24 bits; else 256."""
    in_tmux: bool = False
    limit: tuple[int, int] | None = None
    """The pixels of the largest picture that it takes, where it says so."""

    def wrap(self, sequence: str) -> str:
        """A sequence for the terminal itself, past tmux (which lets it through where allow-passthrough is on)."""
        return wrap_for_tmux(sequence) if self.in_tmux else sequence


@dataclass(frozen=True)
class Tmux:
    """What tmux says of itself and of the terminal around it."""

    lets_through: bool
    """Whether it hands on what is for that terminal (from 3.3 on it does so if it is told to)."""
    has_sixel: bool
    """Whether that terminal takes sixels; to any other, tmux shows a text in their place."""


def wrap_for_tmux(sequence: str) -> str:
    """A sequence that tmux hands on."""
    return f"{ESCAPE}Ptmux;{sequence.replace(ESCAPE, ESCAPE * 2)}{ESCAPE}\\"


def find_screen() -> Screen | None:
    """What stdout shows pictures on; None for a pipe, a file, or a terminal without colours."""
    kind = os.environ.get("TERM", "")
    if not sys.stdout.isatty() or kind in ("", "dumb") or kind.startswith("vt") or "NO_COLOR" in os.environ:
        return None
    size, tmux = shutil.get_terminal_size(), ask_tmux()
    answer, counted = ask(tmux)
    true_colour = os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "direct" in kind
    protocol = read_protocol(answer, tmux)
    cell = read_cell(answer, counted)
    limit = read_limit(answer) if protocol == SIXEL else None
    return Screen(protocol, size.columns, size.lines, cell, true_colour or protocol != BLOCKS, tmux is not None, limit)


def read_protocol(answer: bytes, tmux: Tmux | None = None) -> str:
    """The best protocol that an answer tells of; within tmux one whose pictures tmux can move and erase."""
    attributes = ATTRIBUTES.search(answer)  # of tmux itself, if there is one: it draws sixels if it was built to
    has_sixel = attributes is not None and SIXEL_ATTRIBUTE in attributes[1].split(b";")
    if b"\x1b_Gi=31;OK" in answer and (tmux is None or knows_placeholders(answer)):
        return KITTY
    if HAS_ITERM.search(answer) and tmux is None:
        return ITERM
    return SIXEL if has_sixel and (tmux is None or tmux.has_sixel) else BLOCKS


def knows_placeholders(answer: bytes) -> bool:
    """Whether the terminal around tmux shows a picture in place of a text."""
    found = VERSION.search(answer)
    return found is not None and (int(found[2]), int(found[3])) >= PLACEHOLDERS_SINCE[found[1]]


def read_cell(answer: bytes, counted: tuple[int, int] | None = None) -> tuple[int, int]:
    """Width and height of a cell in pixels: as the terminal says, else as the system counts them, else the usual."""
    found = CELL.search(answer)
    for cell in ((int(found[2]), int(found[1])) if found else None, counted):
        if cell is not None and 0 < min(cell) <= max(cell) <= LARGEST_CELL:
            return cell
    return USUAL_CELL


def read_limit(answer: bytes) -> tuple[int, int] | None:
    """Width and height of the largest sixels that a terminal takes (xterm: 1000x1000); None where it does not say."""
    found = LIMIT.search(answer)
    limit = (int(found[1]), int(found[2])) if found else (0, 0)
    return limit if min(limit) > 0 else None


def ask(tmux: Tmux | None) -> tuple[bytes, tuple[int, int] | None]:
    """What the terminal answers in the time that is waited, and the size of a cell as the system counts it.

    Nothing where it cannot be asked.
    """
    asked, end = (f"{ESCAPE}_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA{ESCAPE}\\", f"{ESCAPE}[>q", f"{ESCAPE}[16t"), f"{ESCAPE}[c"
    if tmux is None:
        queries = "".join([*asked, f"{ESCAPE}[?2;1;0S", end])
    else:
        queries = end + ("".join(map(wrap_for_tmux, [*asked, end])) if tmux.lets_through else f"{ESCAPE}[16t")
    answer, ends = b"", queries.count(end)
    try:
        with open_terminal() as descriptor:
            counted = count_cell(descriptor)
            os.write(descriptor, queries.encode())
            deadline = time.monotonic() + PATIENCE
            while len(ATTRIBUTES.findall(answer)) < ends and (left := deadline - time.monotonic()) > 0:
                ready, _, _ = select.select([descriptor], [], [], left)
                if not ready:
                    break
                answer += os.read(descriptor, 4096)
    except (OSError, ImportError):  # no terminal of this process, or a system without them
        return b"", None
    return answer, counted


def ask_tmux() -> Tmux | None:
    """What tmux says; None outside of it."""
    if not os.environ.get("TMUX"):
        return None
    words = ["tmux", "display-message", "-p", "#{allow-passthrough} #{client_termfeatures}"]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.SubprocessError):
        return Tmux(False, False)
    lets_through, _, features = done.stdout.decode(errors="replace").strip().partition(" ")
    return Tmux(lets_through in ("on", "all", "1"), "sixel" in features.split(","))


def count_cell(descriptor: int) -> tuple[int, int] | None:
    """Width and height of a cell by the system's count of the window's pixels; None where it has none."""
    import fcntl
    import termios

    rows, columns, width, height = struct.unpack("4H", fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8)))
    return (width // columns, height // rows) if rows and columns and width and height else None


@contextmanager
def open_terminal() -> Iterator[int]:
    """The terminal, without echo and line by line reading. Raises OSError where this process may not ask it."""
    import termios
    import tty

    try:
        descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:  # a terminal that is not the one of this session
        descriptor = os.dup(sys.stdout.fileno())
    try:
        with suppress(OSError):
            if os.tcgetpgrp(descriptor) != os.getpgrp():
                raise PermissionError("a job in the background would be stopped")
        try:
            before = termios.tcgetattr(descriptor)
            tty.setcbreak(descriptor, termios.TCSANOW)
        except termios.error as error:
            raise OSError(str(error)) from None
        try:
            yield descriptor
        finally:
            termios.tcsetattr(descriptor, termios.TCSANOW, before)
    finally:
        os.close(descriptor)
