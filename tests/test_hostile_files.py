"""Files of anyone's, given to `genai show`: it says in one line what it does not read, and takes little memory."""

import functools
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import RunMain
from file_parts import chunk, frame, id3, png, riff, synchsafe

MEMORY = 200_000_000  # bytes, for all of them together: less than any one of them would fill


def txxx(body: bytes, flags: int = 0) -> bytes:
    """A frame of an ID3v2.4 tag with a user's text."""
    return frame(body, synchsafe(len(body)), flags)


@functools.cache
def bomb() -> bytes:
    """400 MB of zeros, compressed."""
    packer = zlib.compressobj(1)
    return b"".join(packer.compress(bytes(10**7)) for _ in range(40)) + packer.flush()


HUNDRED = 100_000_000
STORIES: dict[str, tuple[Callable[[], bytes], str]] = {
    "bomb.png": (
        lambda: png(chunk(b"IDAT", bomb()), width=60_000, height=60_000),
        "cannot be read: Image size (3600000000",
    ),
    "text.png": (lambda: png(chunk(b"tEXt", b"genai\0" + b"x" * HUNDRED)), "more than 32 MB of texts"),
    "packed.png": (lambda: png(chunk(b"zTXt", b"genai\0\0" + bomb())), "cannot be read: Decompressed data"),
    "itxt.png": (lambda: png(chunk(b"iTXt", b"genai\0\1\0\0\0" + bomb())), "cannot be read: Decompressed data"),
    "list.png": (lambda: png(chunk(b"iTXt", b"genai\0\0\0\0\0" + b"[" * 10**6)), "holds a broken record"),
    "lied.wav": (lambda: riff((b"id3 ", b""), form=b"WAVE")[:-4] + b"\xff" * 4, "its texts are 4294 MB"),
    "large.wav": (lambda: riff((b"id3 ", b"x" * HUNDRED), form=b"WAVE"), "its texts are 100 MB"),
    "packed.wav": (lambda: riff((b"id3 ", id3(txxx(bomb(), 0x09))), form=b"WAVE"), "has no genai record"),
    "frames.mp3": (lambda: id3(txxx(b"\3a\0b") * 10**6), "has no genai record"),
    "large.mp3": (lambda: id3(b"x" * HUNDRED), "its texts are 100 MB"),
    "lied.flac": (lambda: b"fLaC\x84\xff\xff\xff", "its texts are 16 MB"),
    "large.flac": (lambda: b"fLaC" + b"\x01\xff\xff\xff" + bytes(2**24) * 6, "cannot be read: it is cut off"),
    "large.ogg": (lambda: (b"OggS" + bytes(22) + b"\xff" * 256 + bytes(65025)) * 1500, "its texts are over 16 MB"),
    "large.webp": (lambda: riff((b"XMP ", b"<a/>" * 25_000_000)), "its texts are 100 MB"),
    "entities.webp": (
        lambda: riff((b"XMP ", b'<!DOCTYPE a [<!ENTITY b "b">]><a>&b;</a>')),
        "its XMP declares entities",
    ),
    "large.txt.json": (lambda: b'{"genai": "' + b"x" * HUNDRED + b'"}', "more than 10 MB are not a record"),
    "deep.json": (lambda: b"[" * 10**6, "holds a broken record"),
    "empty.png": (lambda: b"", "is empty"),
    "cut.png": (lambda: png()[:20], "cannot be read: "),
    "cut.wav": (lambda: b"RIFF", "cannot be read: it is not a WAVE file"),
    "cut.ogg": (lambda: b"OggS", "cannot be read: it is not an Ogg Vorbis file, or cut off"),
    "cut.flac": (lambda: b"fLaC\x00\x00\x00\x22", "cannot be read: it is cut off"),
}


SHOW = """
import sys
from genai_cli.cli.main import main
code = main(["show", *sys.argv[1:]])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("peak", int(peak.split()[1]) * 1024)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.CompletedProcess[str]]]:
    """All the files, and one process that was asked to show them one after the other."""
    folder = tmp_path_factory.mktemp("stories")
    for name, (make, _) in STORIES.items():
        (folder / name).write_bytes(make())
    command = [sys.executable, "-c", SHOW, *STORIES]
    yield folder, subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    shutil.rmtree(folder)  # 689 MB


@pytest.mark.parametrize("name", STORIES)
def test_show_says_what_it_does_not_read(
    run_main: RunMain, stories: tuple[Path, subprocess.CompletedProcess[str]], name: str
) -> None:
    done = run_main("show", stories[0] / name)
    assert (done.code, done.stdout) == (2, "")
    line = done.stderr.splitlines()[0]
    assert line.startswith(f"genai: error: {stories[0] / name}")
    assert STORIES[name][1] in line
    assert line.replace(f"{stories[0]}/", "") in stories[1].stderr.splitlines()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell the peak of memory")
def test_show_takes_little_memory(stories: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = stories
    assert done.returncode == 3
    peak = int(done.stdout.removeprefix("peak "))
    assert peak < MEMORY


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: os.mkfifo("x.png"), "x.png is a pipe or a device, not a file"),
        (lambda: Path("x.png").symlink_to("/dev/zero"), "x.png is a pipe or a device, not a file"),
        (lambda: Path("x.png").mkdir(), "x.png is a folder"),
        (lambda: Path("x.png").symlink_to("x.png"), "there is no file x.png"),
        (lambda: None, "there is no file x.png"),
    ],
    ids=["pipe", "device", "folder", "loop", "none"],
)
def test_show_opens_files_only(run_main: RunMain, make: Callable[[], None], line: str) -> None:
    make()
    done = run_main("show", "x.png")
    assert (done.code, done.stdout, done.stderr.splitlines()[0]) == (2, "", f"genai: error: {line}")
