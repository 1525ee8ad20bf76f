"""Takes the picture of genai in real terminals that draw pictures: kitty by its own protocol, xterm by sixels.

python -m tools.pictures.protocols writes docs/pictures/protocols.png. It needs xvfb, kitty, xterm, imagemagick and a
software OpenGL (libgl1-mesa-dri).
"""

import argparse
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageChops

ROOT = Path(__file__).parent.parent.parent
PICTURE = ROOT / "docs" / "pictures" / "protocols.png"
SIZE = (620, 336)  # of a window, in pixels
GAP = 10
PATIENCE = 120  # seconds
COMMAND = "genai image 'a yellow star on a blue background' -m tiny --seed 1"
TERMINALS = {
    "kitty": (
        *("kitty", "-o", "remember_window_size=no", "-o", f"initial_window_width={SIZE[0]}"),
        *("-o", f"initial_window_height={SIZE[1]}", "-o", "cursor_blink_interval=0"),
    ),
    # 68 columns of 9 and 17 rows of 18 pixels, with the margin.
    "xterm": (
        *("xterm", "-ti", "vt340", "-xrm", "XTerm*decTerminalID: vt340", "-fa", "DejaVu Sans Mono", "-fs", "11"),
        *("-bg", "#111", "-fg", "#ddd", "-geometry", "68x17", "-e"),
    ),
}


@contextmanager
def open_display() -> Iterator[str]:
    """A display that nobody sees, with its name."""
    size = f"{SIZE[0]}x{SIZE[1]}x24"
    receiver, sender = os.pipe()
    words = ["Xvfb", "-displayfd", str(sender), "-screen", "0", size, "-nolisten", "tcp"]
    server = subprocess.Popen(words, pass_fds=[sender], stderr=subprocess.DEVNULL)
    os.close(sender)
    try:
        with os.fdopen(receiver) as stream:
            yield f":{stream.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


def photograph(terminal: tuple[str, ...], display: str, folder: Path) -> Image.Image:
    """What a terminal shows after the command."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    done = folder / "done"
    script = (
        f"cd {shlex.quote(str(folder))}; echo {shlex.quote('$ ' + COMMAND)}; {COMMAND}; touch {done}; sleep {PATIENCE}"
    )
    variables = {"DISPLAY": display, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "GENAI_KEEP": "off"}
    outer = {name: value for name, value in os.environ.items() if name not in ("TMUX", "WAYLAND_DISPLAY")}
    words = [*terminal, "bash", "--norc", "-c", script]
    window = subprocess.Popen(words, env=outer | variables | {"LIBGL_ALWAYS_SOFTWARE": "1"}, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not done.exists():
            if time.monotonic() > deadline or window.poll() is not None:
                raise SystemExit(f"{terminal[0]} did not run the command")
            time.sleep(0.1)
        before, now = None, take_screenshot(display, folder)
        while before is None or ImageChops.difference(before, now).getbbox():  # until it has drawn all
            time.sleep(0.5)
            before, now = now, take_screenshot(display, folder)
        return now
    finally:
        window.terminate()
        window.wait()


def take_screenshot(display: str, folder: Path) -> Image.Image:
    """The whole display."""
    file = folder / "screen.png"
    subprocess.run(["import", "-display", display, "-window", "root", str(file)], check=True)
    with Image.open(file) as image:
        return image.convert("RGB")


def main() -> None:
    """Take the picture."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as place, open_display() as display:
        shots = [photograph(terminal, display, Path(place)) for terminal in TERMINALS.values()]
    whole = Image.new("RGB", (len(shots) * (SIZE[0] + GAP) - GAP, SIZE[1]), "white")
    for number, shot in enumerate(shots):
        whole.paste(shot, (number * (SIZE[0] + GAP), 0))
    whole.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
