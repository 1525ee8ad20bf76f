"""What the terminal can show. It is asked, since names tell little: over ssh and in tmux they are those of another.

Queries: kitty's graphics protocol (https://sw.kovidgoyal.net/kitty/graphics-protocol/), XTVERSION, the size of a cell
and the device attributes (xterm's ctlseqs). Every terminal answers the last one, which ends the wait for the others.
"""

import os
import re
import select
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

KITTY, ITERM, SIXEL, BLOCKS = "kitty", "iterm2", "sixel", "blocks"
PATIENCE = 0.4  # seconds for all answers, also over a slow line
ESCAPE = "\x1b"
ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]+)c")
CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
HAS_ITERM = re.compile(rb"\x1bP>\|(iTerm2|WezTerm)")
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

    def wrap(self, sequence: str) -> str:
        """A sequence for the terminal itself, past tmux (which lets it through where allow-passthrough is on)."""
        return wrap_for_tmux(sequence) if self.in_tmux else sequence


def wrap_for_tmux(sequence: str) -> str:
    """A sequence that tmux hands on."""
    return f"{ESCAPE}Ptmux;{sequence.replace(ESCAPE, ESCAPE * 2)}{ESCAPE}\\"


def find_screen() -> Screen | None:
    """What stdout shows pictures on; None for a pipe, a file, or a terminal without colours."""
    kind = os.environ.get("TERM", "")
    if not sys.stdout.isatty() or kind in ("", "dumb") or kind.startswith("vt") or "NO_COLOR" in os.environ:
        return None
    size, in_tmux = shutil.get_terminal_size(), bool(os.environ.get("TMUX"))
    answer = ask(in_tmux)
    true_colour = os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "direct" in kind
    protocol, cell = read_answer(answer)
    return Screen(protocol, size.columns, size.lines, cell, true_colour or protocol != BLOCKS, in_tmux)


def read_answer(answer: bytes) -> tuple[str, tuple[int, int]]:
    """The best protocol that an answer tells of, and the size of a cell in pixels."""
    found = CELL.search(answer)
    cell = (int(found[2]), int(found[1])) if found else USUAL_CELL
    cell = cell if 0 < min(cell) <= max(cell) <= LARGEST_CELL else USUAL_CELL
    attributes = ATTRIBUTES.search(answer)
    # Of tmux itself: it draws sixels where it was built to.
    has_sixel = attributes is not None and SIXEL_ATTRIBUTE in attributes[1].split(b";")
    if b"\x1b_Gi=31;OK" in answer:
        return KITTY, cell
    if HAS_ITERM.search(answer):
        return ITERM, cell
    return (SIXEL if has_sixel else BLOCKS), cell


def ask(in_tmux: bool) -> bytes:
    """What the terminal answers in the time that is waited; nothing where it cannot be asked."""
    asked = [f"{ESCAPE}_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA{ESCAPE}\\", f"{ESCAPE}[>q"]
    queries = "".join(map(wrap_for_tmux, asked)) if in_tmux else "".join(asked)
    queries += f"{ESCAPE}[16t{ESCAPE}[c"
    answer = b""
    try:
        with open_terminal() as descriptor:
            os.write(descriptor, queries.encode())
            deadline = time.monotonic() + PATIENCE
            while not ATTRIBUTES.search(answer) and (left := deadline - time.monotonic()) > 0:
                ready, _, _ = select.select([descriptor], [], [], left)
                if not ready:
                    break
                answer += os.read(descriptor, 4096)
    except (OSError, ImportError):  # no terminal of this process, or a system without them
        return b""
    return answer


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
