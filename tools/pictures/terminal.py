"""Takes the picture of genai in a terminal that the pages show: tmux runs the commands, Chromium draws what it shows.

python -m tools.pictures.terminal FOLDER writes docs/pictures/terminal.png; FOLDER holds the results of make demo.
"""

import argparse
import html
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PICTURE = ROOT / "docs" / "pictures" / "terminal.png"
COLUMNS, ROWS = 90, 76
SGR = re.compile(r"\x1b\[([\d;]*)m")
SESSION = "genai-picture"
STYLE = (
    "body{margin:0;background:#111;color:#ddd}pre{display:inline-block;margin:12px;font:14px/16px 'DejaVu Sans Mono'}"
)


def run_commands(commands: list[str], folder: Path) -> str:
    """What a terminal shows after the commands, with its colours."""
    variables = {"PATH": f"{ROOT}/.venv/bin:$PATH", "COLORTERM": "truecolor", "GENAI_KEEP": "off", "PS1": ""}
    settings = "; ".join(f'export {name}="{value}"' for name, value in variables.items())
    size = ["-x", str(COLUMNS), "-y", str(ROWS)]
    tmux("new-session", "-d", "-s", SESSION, *size, "-c", str(folder), "bash --norc")
    try:
        tmux(
            "send-keys",
            "-t",
            SESSION,
            f"{settings}; clear; " + "; ".join(commands) + "; tmux wait-for -S done",
            "Enter",
        )
        tmux("wait-for", "done")
        time.sleep(0.5)  # the last line is drawn
        return tmux("capture-pane", "-t", SESSION, "-p", "-e").rstrip()
    finally:
        tmux("kill-session", "-t", SESSION)


def tmux(*words: str) -> str:
    """What a command of tmux says."""
    return subprocess.run(["tmux", *words], check=True, capture_output=True, text=True).stdout


def to_html(shown: str) -> str:
    """The same as a page: each run of one colour is a span."""
    parts, colours = [], ["inherit", "transparent"]
    for place, piece in enumerate(SGR.split(shown)):
        if place % 2:
            read_colours([int(number or 0) for number in piece.split(";")], colours)
        elif piece:
            parts.append(f'<span style="color:{colours[0]};background:{colours[1]}">{html.escape(piece)}</span>')
    return f"<!DOCTYPE html><meta charset=utf-8><style>{STYLE}</style><pre>{''.join(parts).rstrip()}</pre>"


def read_colours(numbers: list[int], colours: list[str]) -> None:
    """Take what a sequence says of the two colours, in 24 bits."""
    while numbers:
        number = numbers.pop(0)
        if number in (38, 48) and numbers[:1] == [2]:
            colours[number == 48] = f"rgb{tuple(numbers[1:4])}"
            del numbers[:4]
        elif number in (0, 39):
            colours[0] = "inherit"
        if number in (0, 49):
            colours[1] = "transparent"


def main() -> None:
    """Take the picture."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the results of make demo")
    folder = parser.parse_args().folder
    (sound,) = sorted(folder.glob("*.wav"))[:1]
    commands = [
        "genai image 'a big white cross on a red background' -m tiny --seed 1",
        f"genai show {shlex.quote(sound.name)}",
    ]
    echoed = [word for command in commands for word in (f"echo {shlex.quote('$ ' + command)}", command)]
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        shutil.copy(sound, place)
        shown = run_commands(echoed, Path(place))
        options = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        tab = browser.new_page(viewport={"width": 800, "height": 400})
        tab.set_content(to_html(shown))
        tab.locator("pre").screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
