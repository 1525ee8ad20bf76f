"""Results in the terminal: it is asked what it can, and gets pictures that way; a pipe gets none."""

import base64
import io
import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from conftest import COMMAND, TIMEOUT, Genai
from PIL import Image

from genai_cli.cli.screen.drawing import MARKS, PLACEHOLDER, draw_picture, find_colour
from genai_cli.cli.screen.terminal import (
    BLOCKS,
    ITERM,
    KITTY,
    SIXEL,
    Screen,
    Tmux,
    read_cell,
    read_limit,
    read_protocol,
)

FILES = Path(__file__).parent / "golden" / "files"
ATTRIBUTES_QUERY = b"\x1b[c"
PLAIN = b"\x1b[?62;22c"
CELL = b"\x1b[6;20;10t"
ANSWERS = {
    "kitty": b"\x1b_Gi=31;OK\x1b\\" + CELL + PLAIN,
    "iterm2": b"\x1bP>|iTerm2 3.5.1\x1b\\" + CELL + PLAIN,
    "sixel": CELL + b"\x1b[?62;4;22c",
    "blocks": PLAIN,
    "silent": b"",
}
# What terminals said to the queries: tmux first, then the one around it.
TMUX_3_3, TMUX_3_5 = b"\x1b[?1;2c", b"\x1b[?1;2;4c"
KITTY_0_26 = b"\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.26.5)\x1b\\\x1b[6;18;9t\x1b[?62;c"
KITTY_0_41 = KITTY_0_26.replace(b"0.26.5", b"0.41.1")
KONSOLE = b"\x1b_Gi=31;OK\x1b\\\x1bP>|Konsole 22.12.3\x1b\\\x1b[6;17;8t\x1b[?2;0;16384;16384S\x1b[?62;1;4c"
XTERM = b"\x1bP>|XTerm(379)\x1b\\\x1b[?2;0;1000;1000S\x1b[?63;1;2;4;6;9;15;16;22;28c"
FOOT = b"\x1bP>|foot(1.13.1)\x1b\\\x1b[6;14;7t\x1b[?2;0;1071;868S\x1b[?62;4;22c"
MLTERM = b"\x1b[6;19;10t\x1b[?1;3;0S\x1b[?63;1;2;3;4;6;7;15;18;22;29c"
ITERM2 = b"\x1bP>|iTerm2 3.5.1\x1b\\" + CELL + b"\x1b[?62;4c"
SGR = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m(▀+)")


def run_in_terminal(cwd: Path, answer: bytes, *arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Run the command in a terminal of 80 columns that answers queries so; what it showed. Its modes stay."""
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (40, 80))
    before = termios.tcgetattr(terminal)
    outer = {name: value for name, value in os.environ.items() if name not in ("TMUX", "LINES", "COLUMNS")}
    process = subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=outer | {"TERM": "xterm-256color", "COLORTERM": "truecolor"} | (env or {}),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    shown, is_answered, deadline = b"", False, time.monotonic() + TIMEOUT
    while process.poll() is None or select.select([controller], [], [], 0)[0]:
        assert time.monotonic() < deadline
        if select.select([controller], [], [], 0.05)[0]:
            shown += os.read(controller, 65536)
        if ATTRIBUTES_QUERY in shown and answer and not is_answered:
            os.write(controller, answer)
            is_answered = True
    assert termios.tcgetattr(terminal) == before
    os.close(terminal)
    os.close(controller)
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("name", ANSWERS)
def test_a_picture_is_drawn_as_the_terminal_says(genai: Genai, name: str) -> None:
    shown = run_in_terminal(genai.cwd, ANSWERS[name], "show", FILES / "circle.png")
    assert "a large red circle on a blue background" in shown
    pixels = np.asarray(Image.open(FILES / "circle.png").convert("RGB")).astype(int)
    if name in ("kitty", "iterm2"):
        pieces = re.findall(r"\x1b_G[^;]*m=\d;([^\x1b]*)\x1b", shown)
        data = "".join(pieces) if name == "kitty" else re.findall(r"\x1b\]1337;File=[^:]*:([^\x07]*)\x07", shown)[0]
        drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)
        assert drawn.shape == (260, 260, 3)  # 13 rows of 20 pixels and 26 columns of 10, four times as large
        assert np.abs(drawn[130, 130] - pixels[32, 32]).max() == 0
    elif name == "sixel":
        assert '\x1bPq"1;1;260;258#0;2;' in shown  # a whole number of bands of six rows
    else:
        rows = [line for line in shown.splitlines() if "▀" in line]
        assert len(rows) == 32 and all(line.count("▀") == 64 for line in rows)
        colours = [list(map(int, cell[:6])) for cell in SGR.findall(rows[16]) for _ in cell[6]]
        assert np.abs(np.array(colours[32]) - pixels[32:34, 32].reshape(-1)).max() == 0


def test_a_sixel_is_the_picture() -> None:
    """Read back by the rules of the format."""
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, :15], pixels[4:9, 20:] = (255, 0, 0), (0, 255, 0)
    shown = draw_picture(pixels, Screen(SIXEL, 80, 24, (10, 20)))
    body = shown.removeprefix("\x1bPq").partition("\x1b\\")[0]
    size = re.match(r'"1;1;(\d+);(\d+)', body)
    assert size is not None
    width, height = int(size[1]), int(size[2])
    palette = {int(c): tuple(map(int, rgb.split(";"))) for c, rgb in re.findall(r"#(\d+);2;(\d+;\d+;\d+)", body)}
    drawn, x, y, colour = np.zeros((height + 6, width, 3)), 0, 0, 0
    at, text = 0, re.sub(r"#\d+;2;\d+;\d+;\d+", "", body[size.end() :])
    while at < len(text):
        token = re.compile(r"#(\d+)|!(\d+)(.)|([$-])|(.)").match(text, at)
        assert token is not None
        at = token.end()
        if token[1]:
            colour = int(token[1])
        elif token[4]:
            x, y = 0, y + (6 if token[4] == "-" else 0)
        else:
            count, bits = int(token[2] or 1), ord(token[3] or token[5]) - 63
            for bit in range(6):
                if bits >> bit & 1:
                    drawn[y + bit, x : x + count] = palette[colour]
            x += count
    reddish = drawn[height // 2, width // 4]
    assert reddish[0] > 95 and reddish[1] < 5
    assert drawn[int(height * 6.5 / 20), int(width * 25 / 30)][1] > 95
    assert drawn[height - 2, width - 2].max() < 5


def test_256_colours_where_there_are_no_more(genai: Genai) -> None:
    shown = run_in_terminal(genai.cwd, PLAIN, "show", FILES / "circle.png", env={"COLORTERM": ""})
    assert re.search(r"\x1b\[38;5;\d+;48;5;\d+m▀", shown) and "38;2" not in shown
    assert [find_colour(*colour) for colour in ((255, 0, 0), (0, 0, 0), (118, 118, 118), (255, 255, 255))] == [
        196,
        16,
        243,
        231,
    ]


def test_a_large_picture_fits_into_the_window() -> None:
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    lines = draw_picture(pixels, Screen("blocks", 80, 24)).splitlines()
    assert len(lines) <= 21 and all(line.count("▀") <= 80 for line in lines)
    kitty = re.search(r"c=(\d+),r=(\d+)", draw_picture(pixels, Screen(KITTY, 80, 24, (10, 20))))
    assert kitty is not None and int(kitty[1]) <= 80 and int(kitty[2]) <= 21


def test_a_picture_is_no_larger_than_the_terminal_takes() -> None:
    """xterm takes 1000x1000 pixels, however large its window is."""
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    shown = draw_picture(pixels, Screen(SIXEL, 300, 100, (6, 13), limit=(1000, 1000)))
    assert shown.startswith('\x1bPq"1;1;996;738#')


def test_within_tmux_a_picture_stands_in_place_of_a_text() -> None:
    """tmux moves and erases the text, and the picture with it; on a picture that it does not know it would write."""
    shown = draw_picture(np.zeros((260, 260, 3), np.uint8), Screen(KITTY, 80, 40, (10, 20), in_tmux=True))
    assert shown.startswith("\x1bPtmux;\x1b\x1b_Ga=T,")
    text = shown.rpartition("\x1b\x1b\\\x1b\\")[2]
    number = re.search(r"U=1,i=(\d+),c=26,r=13,", shown)
    assert number is not None
    high, low = divmod(int(number[1]), 1 << 24)
    assert 0 < low < 256
    first = [f"\x1b[38;5;{low}m{PLACEHOLDER}{MARKS[row]}{MARKS[0]}{MARKS[high]}" for row in range(13)]
    assert text == "".join(f"{start}{PLACEHOLDER * 25}\x1b[0m\n" for start in first)
    high_window = Screen(KITTY, 200, 200, (10, 20), in_tmux=True)
    assert "r=62," in draw_picture(np.zeros((4000, 1000, 3), np.uint8), high_window)


@pytest.mark.parametrize(
    ("answer", "tmux", "protocol"),
    [
        (KITTY_0_26, None, KITTY),
        (KONSOLE, None, KITTY),
        (ITERM2, None, ITERM),
        (XTERM, None, SIXEL),
        (FOOT, None, SIXEL),
        (MLTERM, None, SIXEL),
        (TMUX_3_3, Tmux(False, False), BLOCKS),
        (TMUX_3_3 + KITTY_0_41, Tmux(True, False), KITTY),
        (TMUX_3_5 + KITTY_0_41, Tmux(True, False), KITTY),
        (TMUX_3_3 + KITTY_0_26, Tmux(True, False), BLOCKS),  # it has no placeholders yet
        (TMUX_3_5 + KONSOLE, Tmux(True, True), SIXEL),
        (TMUX_3_5 + ITERM2, Tmux(True, True), SIXEL),
        (TMUX_3_5 + XTERM, Tmux(True, True), SIXEL),
        (TMUX_3_3 + XTERM, Tmux(True, False), BLOCKS),
        (TMUX_3_5 + PLAIN, Tmux(True, False), BLOCKS),  # tmux would show a text in place of sixels
    ],
)
def test_what_terminals_say(answer: bytes, tmux: Tmux | None, protocol: str) -> None:
    assert read_protocol(answer, tmux) == protocol


def test_tmux_is_asked_what_it_lets_through(genai: Genai, tmp_path: Path) -> None:
    said = {"on ": KITTY, "off sixel": SIXEL, "off ": BLOCKS}
    for words, protocol in said.items():
        (tmp_path / "tmux").write_text(f"#!/bin/sh\necho '{words}'\n")
        (tmp_path / "tmux").chmod(0o755)
        variables = {"TMUX": "/tmp/tmux,1,0", "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        answer = TMUX_3_5 + (KITTY_0_41 if words == "on " else b"")
        shown = run_in_terminal(genai.cwd, answer, "show", FILES / "circle.png", env=variables)
        marks = {KITTY: PLACEHOLDER, SIXEL: "\x1bPq", BLOCKS: "▀"}
        assert {name for name, mark in marks.items() if mark in shown} == {protocol}
        assert ("\x1bPtmux;" in shown) == (protocol == KITTY)


def test_answers_that_are_none() -> None:
    assert (read_protocol(b""), read_cell(b""), read_limit(b"")) == (BLOCKS, (8, 16), None)
    assert read_cell(b"\x1b[6;99999;0t\x1b[?1;2c", (6, 13)) == (6, 13)
    assert read_cell(b"\x1b[6;14;7t", (6, 13)) == (7, 14)
    assert read_cell(b"", (0, 4000)) == (8, 16)
    assert read_limit(b"\x1b[?2;0;0;0S") is None
    assert read_protocol(b"hello\x1b[?64;14;24c") == BLOCKS


def test_a_sound_is_a_waveform_and_a_spectrogram(genai: Genai) -> None:
    shown = run_in_terminal(genai.cwd, PLAIN, "show", FILES / "piano.wav")
    wave = re.search(r"([ ▁▂▃▄▅▆▇█]+) 0\.2 s\n", shown)
    assert wave is not None and len(wave[0]) == 80 and "█" in wave[1]
    assert sum("▀" in line for line in shown.splitlines()) == 8


@pytest.mark.parametrize("options", [["--no-show"], ["--json"], ["-q"]])
def test_nothing_is_drawn_where_it_is_not_wanted(genai: Genai, options: list[str]) -> None:
    shown = run_in_terminal(genai.cwd, ANSWERS["kitty"], "show", FILES / "circle.png", *options)
    assert "\x1b" not in shown


def test_never_into_a_pipe_or_a_dumb_terminal(genai: Genai) -> None:
    done = genai("show", FILES / "circle.png", "--show", env={"TERM": "xterm-kitty"})
    assert (done.code, "\x1b" in done.stdout) == (0, False)
    assert "--show shows nothing: stdout is not a terminal" in done.stderr
    shown = run_in_terminal(genai.cwd, b"", "show", FILES / "circle.png", "--show", env={"TERM": "dumb"})
    assert "\x1b" not in shown and "this terminal has no colours" in shown


def test_a_made_picture_is_shown_below_its_path(genai: Genai) -> None:
    shown = run_in_terminal(genai.cwd, PLAIN, "image", "a red circle", "-m", "tiny", "--seed", "1", "--steps", "2")
    path, _, drawn = shown.partition("a-red-circle-1.png\n")
    assert "▀" in drawn and "▀" not in path


def test_play_and_open_take_the_system_s_programs(genai: Genai, tmp_path: Path) -> None:
    for program in ("ffplay", "xdg-open"):
        (tmp_path / program).write_text(f'#!/bin/sh\nfor last; do :; done\necho "$last" > {tmp_path}/{program}.said\n')
        (tmp_path / program).chmod(0o755)
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(tmp_path)}
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    done = genai("show", FILES / "piano.wav", "--play", "--open", env=path)
    assert done.code == 0, done.stderr
    assert (tmp_path / "ffplay.said").read_text() == f"{FILES / 'piano.wav'}\n"
    deadline = time.monotonic() + 20
    while not (tmp_path / "xdg-open.said").exists() and time.monotonic() < deadline:
        os.sched_yield()
    assert (tmp_path / "xdg-open.said").read_text() == f"{FILES / 'piano.wav'}\n"
    none = genai("show", FILES / "piano.flac", "--play", "--open", env=path | {"PATH": str(COMMAND.parent)})
    assert none.code == 0
    assert "nothing here plays" in none.stderr and "no program opens files here" in none.stderr
