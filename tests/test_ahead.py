"""On an accelerator files are encoded and written beside the model's next work, and nothing else changes."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread, current_thread, main_thread
from typing import Any

import pytest
from conftest import RunMain, take_interrupts, write_rows

from genai_cli.modality.image import Image
from genai_cli.store.writer import Writer
from genai_cli.work import producer
from genai_cli.work.ahead import one_ahead

LONG = 60  # seconds, after which what a test waits for will not come any more


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def overlapping(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes the processor an accelerator, from the call on."""
    return lambda: monkeypatch.setattr(producer, "ACCELERATORS", ("cpu",))


class Elements:
    """0, 1, 2 and so on: from 1 on each has begun, and waits to be let through."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.second_begun, self.let_through = Event(), Event()

    def __iter__(self) -> Iterator[int]:
        for number in range(4):
            self.begun.append(number)
            if number:
                self.second_begun.set()
                assert self.let_through.wait(LONG)
            self.ended.append(number)
            yield number


def test_an_element_is_used_while_the_next_is_computed(thread: ThreadPoolExecutor) -> None:
    elements = Elements()
    ahead = one_ahead(iter(elements), thread)
    assert next(ahead) == 0
    assert elements.second_begun.wait(LONG)
    assert elements.ended == [0]
    elements.let_through.set()
    assert list(ahead) == [1, 2, 3]


def test_no_more_than_one_is_computed_ahead(thread: ThreadPoolExecutor) -> None:
    elements = Elements()
    elements.let_through.set()
    ahead = one_ahead(iter(elements), thread)
    for used in (0, 1):
        assert next(ahead) == used
        thread.submit(int).result(LONG)  # comes when the thread has done all that it was given before
        assert elements.ended == list(range(used + 2))


def test_an_error_comes_in_its_place(thread: ThreadPoolExecutor) -> None:
    def elements() -> Iterator[int]:
        yield from (0, 1)
        raise OSError("the third")

    ahead = one_ahead(elements(), thread)
    assert [next(ahead), next(ahead)] == [0, 1]
    with pytest.raises(OSError, match="the third"):
        next(ahead)
    assert list(one_ahead(iter([]), thread)) == []


def test_who_leaves_early_waits_for_what_is_being_computed(thread: ThreadPoolExecutor) -> None:
    elements = Elements()
    ended_on_leaving: list[int] = []

    def leave() -> None:
        with pytest.raises(KeyboardInterrupt):
            for _ in one_ahead(iter(elements), thread):
                assert elements.second_begun.wait(LONG)
                raise KeyboardInterrupt
        ended_on_leaving.extend(elements.ended)

    leaver = Thread(target=leave)
    leaver.start()
    assert elements.second_begun.wait(LONG)
    elements.let_through.set()
    leaver.join(LONG)
    thread.submit(int).result(LONG)
    assert ended_on_leaving == elements.begun == [0, 1]


def records(run_main: RunMain, *arguments: str | Path) -> list[dict[str, Any]]:
    """What a run tells of each item, without the times and the folder."""
    done = run_main(*arguments, "--json")
    lines = [json.loads(line) for line in done.lines]
    for line in lines:
        line["file"] = line["file"] and Path(line["file"]).name
    return [{name: value for name, value in line.items() if name not in ("created", "seconds")} for line in lines]


def pixels(file: Path) -> bytes:
    """A picture without its record, which holds times."""
    from PIL import Image

    return Image.open(file).tobytes()


def test_pictures_are_the_same_and_made_in_another_thread(
    run_main: RunMain, monkeypatch: pytest.MonkeyPatch, overlapping: Callable[[], None]
) -> None:
    threads = []
    generate = Image.generate

    def watched(*arguments: Any) -> Any:
        threads.append(current_thread())
        return generate(*arguments)

    monkeypatch.setattr(Image, "generate", watched)
    command = ["image", "a cat", "-m", "tiny", "-n", "3", "--seed", "1"]
    usual = records(run_main, *command, "-o", "usual/")
    assert [line["status"] for line in usual] == ["done"] * 3
    overlapping()
    assert records(run_main, *command, "-o", "ahead/") == usual
    for line in usual:
        assert pixels(Path("ahead") / line["file"]) == pixels(Path("usual") / line["file"])
    assert [made_in is main_thread() for made_in in threads] == [True] * 3 + [False] * 3
    assert len(set(threads[3:])) == 1


def test_a_file_is_written_while_the_next_is_made(
    run_main: RunMain, monkeypatch: pytest.MonkeyPatch, overlapping: Callable[[], None]
) -> None:
    overlapping()
    written = Event()
    generate, write = Image.generate, Writer.write
    calls = []

    def waits_for_the_first_file(*arguments: Any) -> Any:
        calls.append(arguments)
        assert len(calls) == 1 or written.wait(LONG)
        return generate(*arguments)

    def tells(*arguments: Any) -> Path:
        file = write(*arguments)
        written.set()
        return file

    monkeypatch.setattr(Image, "generate", waits_for_the_first_file)
    monkeypatch.setattr(Writer, "write", tells)
    done = run_main("image", "a cat", "-m", "tiny", "-n", "3", "-o", "out/")
    assert done.code == 0, done.stderr
    assert len(done.lines) == len(list(Path("out").iterdir())) == len(calls) == 3


def test_a_batch_is_the_same(run_main: RunMain, overlapping: Callable[[], None]) -> None:
    """Two kinds in groups, one row past its model's context, and a limit."""
    rows = [{"task": task, "prompt": f"film {n}", "model": "tiny"} for n in range(5) for task in ("text", "classify")]
    rows[4]["prompt"] = "dark " * 5000
    jobs = write_rows(Path("jobs.jsonl"), [row | {"seed": 1} for row in rows])
    command = ["batch", jobs, "--batch-size", "2"]
    usual = [records(run_main, *command, "--limit", "3", "-o", "usual/"), records(run_main, *command, "-o", "usual/")]
    overlapping()
    ahead = [records(run_main, *command, "--limit", "3", "-o", "ahead/"), records(run_main, *command, "-o", "ahead/")]
    assert [len(run) for run in usual] == [3, 7]
    assert [line["status"] for run in usual for line in run].count("failed") == 1
    assert ahead == usual


OVERLAPPING_PROGRAM = """
import sys
from genai_cli.cli.main import main
from genai_cli.work import producer
producer.ACCELERATORS = ("cpu",)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("moment", ["genai: loaded in", "out/"])
def test_an_interrupt_ends_the_run_in_order(run_main: RunMain, moment: str) -> None:
    """As the model's thread starts, and while it works; `run_main` gives the empty folder."""
    arguments = ["image", "a cat", "-m", "tiny", "-n", "200", "-v", "-o", "out/"]
    process = subprocess.Popen(
        [sys.executable, "-c", OVERLAPPING_PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=take_interrupts,
    )
    assert process.stdout is not None
    told = [process.stdout.readline()]
    while not told[-1].startswith(moment):
        assert told[-1], told
        told.append(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    told += process.stdout.readlines()
    assert process.wait(LONG) == 130, told
    assert all(line.startswith(("genai: ", "out/")) for line in told)
    named = sum(line.startswith("out/") for line in told)
    files = len(list(Path("out").iterdir())) if Path("out").exists() else 0
    # One that was just written when the signal came may not be named any more.
    assert named <= files <= named + 1 < 200
