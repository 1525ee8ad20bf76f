"""llama.cpp's own server as the model: texts, streams, a conversation, and a batch that is killed and resumed.

Runs where this Python, or the one that LLAMA_PYTHON names, has xllamacpp and gguf (`pip install xllamacpp gguf`).
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Genai, RunMain, write_rows

PYTHON = os.environ.get("LLAMA_PYTHON", sys.executable)
SCRIPT = Path(__file__).with_name("llama_server.py")
GREEDY = ("--temperature", "0", "--max-new-tokens", "20")


def has_llama() -> bool:
    """Whether that Python has what the server needs."""
    asked = "import importlib.util as u; raise SystemExit(not (u.find_spec('xllamacpp') and u.find_spec('gguf')))"
    return subprocess.run([PYTHON, "-c", asked], check=False, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not has_llama(), reason="needs xllamacpp and gguf: pip install, or set LLAMA_PYTHON")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server, as -m takes it."""
    folder = tmp_path_factory.mktemp("llama")
    streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([PYTHON, SCRIPT, folder], **streams)
    assert process.stdout is not None
    line = process.stdout.readline().decode().strip()
    assert line.startswith("http://"), "the server does not start"
    yield f"{line}/v1"
    process.kill()
    process.communicate()


def test_a_text_is_streamed_and_written(run_main: RunMain, address: str) -> None:
    done = run_main("text", "Hello", "-m", address, *GREEDY, "-o", "a.txt", "-v")
    assert done.code == 0, done.stderr
    assert len(done.stdout) > 10
    assert Path("a.txt").read_text() == done.stdout
    record = json.loads(Path("a.txt.json").read_text())
    assert record["server"]["address"] == address
    assert record["finish_reason"] == "length"
    assert record["tokens"]["completion"] == 20
    assert record["parameters"]["max_new_tokens"] == 20
    assert run_main("rerun", "a.txt", "--verify").code == 0
    plain = run_main("text", "Hello", "-m", address, *GREEDY, "--no-chat", "-o", "-")
    assert plain.stdout.startswith("Hello")
    drawn = [
        run_main("text", "Hello", "-m", address, "--seed", seed, "--max-new-tokens", "20", "-o", "-").stdout
        for seed in ("5", "5", "6")
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_what_it_refuses_is_said(run_main: RunMain, address: str) -> None:
    long = run_main("text", "word " * 600, "-m", address, "-o", "-")
    assert (long.code, "answered 400" in long.stderr) == (2, True), long.stderr
    picture = run_main("image", "a cat", "-m", address, "-o", "a.png")
    assert picture.code == 4
    assert "answered 404" in picture.stderr
    assert run_main("models", "show", address).code == 0


def test_a_conversation(run_main: RunMain, address: str) -> None:
    done = run_main("chat", "-m", address, *GREEDY, stdin="Hello\nAnd?\n/save talk.json\n")
    assert done.code == 0, done.stderr
    said = [message["content"] for message in json.loads(Path("talk.json").read_text())]
    assert done.stdout == f"{said[1]}\n{said[3]}\n"


def test_a_killed_batch_goes_on(genai: Genai, address: str, tmp_path: Path) -> None:
    rows = write_rows(
        tmp_path / "jobs.jsonl",
        [
            {"task": "text", "id": f"r{n}", "prompt": f"day {n}", "temperature": 0, "max_new_tokens": 40}
            for n in range(16)
        ],
    )
    command = ("batch", rows, "-m", address, "--json")
    assert genai(*command, "-o", "whole/").code == 0
    process = genai.start(*command, "-o", "out/", "--workers", "1")
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    begun = read_manifest(genai.cwd / "out")
    assert 3 <= len(begun) < 16
    done = genai(*command, "-o", "out/")
    assert done.code == 0, done.stderr
    assert f"{16 - len(begun)} done, {len(begun)} done earlier" in done.stderr
    lines, whole = read_manifest(genai.cwd / "out"), read_manifest(genai.cwd / "whole")
    assert lines.keys() == whole.keys()
    for name, line in lines.items():
        assert line["key"] == whole[name]["key"]
        assert (genai.cwd / "out" / f"{name}.txt").read_bytes() == (genai.cwd / "whole" / f"{name}.txt").read_bytes()


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """The finished results by their ids; none twice."""
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    found = [line for line in lines if line.get("status") == "done"]
    by_id = {line["id"]: line for line in found}
    assert len(by_id) == len(found)
    return by_id
