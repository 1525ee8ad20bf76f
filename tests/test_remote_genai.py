"""Batches that genai's own server makes: texts and pictures, killed in the middle and resumed."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from conftest import Genai, RunningServer, Serve, write_rows
from readers import record_of

pytest.importorskip("uvicorn")
TEXTS, PICTURES = 8, 4


def read_manifest(folder: Path) -> list[dict[str, Any]]:
    """The lines of the results, without the first, which is about the batch."""
    return [line for line in map(json.loads, (folder / "manifest.jsonl").read_text().splitlines()) if "key" in line]


def count_answers(server: RunningServer) -> int:
    """How many requests the server has answered with a result."""
    text = server.ask("GET", "/metrics")[2].decode()
    return sum(int(count) for count in re.findall(r'genai_requests_total\{[^}]*status="200"\} (\d+)', text))


def test_a_killed_batch_of_texts_and_pictures_goes_on(serve: Serve, genai: Genai, tmp_path: Path) -> None:
    server = serve("-m", "tiny", "--at-once", "2")
    texts = [
        {"task": "text", "prompt": f"It was day {n}", "seed": n, "max_new_tokens": 6, "chat": False}
        for n in range(TEXTS)
    ]
    pictures = [{"task": "image", "prompt": "a red circle", "seed": n, "size": "64x64"} for n in range(PICTURES)]
    mixed = [row for pair in zip(texts[::2], texts[1::2], pictures, strict=True) for row in pair]
    rows = write_rows(tmp_path / "jobs.jsonl", [{"id": f"r{n}", **row} for n, row in enumerate(mixed)])
    command = ("batch", rows, "-m", f"http://127.0.0.1:{server.port}/v1#tiny", "--json")
    assert genai(*command, "-o", "whole/").code == 0
    whole = {line["id"]: line for line in read_manifest(genai.cwd / "whole")}
    assert len(whole) == TEXTS + PICTURES

    process = genai.start(*command, "-o", "out/", "--workers", "2")
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = {line["id"] for line in read_manifest(genai.cwd / "out") if line["status"] == "done"}
    assert 3 <= len(done) < len(whole)

    while b"genai_requests_present 0" not in server.ask("GET", "/metrics")[2]:
        pass  # what the killed client asked for ends
    answered = count_answers(server)
    resumed = genai(*command, "-o", "out/")
    assert resumed.code == 0, resumed.stderr
    assert f"{len(done)} done earlier" in resumed.stderr
    assert count_answers(server) - answered == len(whole) - len(done)
    lines = read_manifest(genai.cwd / "out")
    assert sorted(line["id"] for line in lines) == sorted(whole)
    assert {line["status"] for line in lines} == {"done"}
    for line in lines:
        same = whole[line["id"]]
        assert (line["content_sha256"], line["key"]) == (same["content_sha256"], same["key"])
        assert line["server"] == {"address": f"http://127.0.0.1:{server.port}/v1", "model": same["server"]["model"]}
        file = genai.cwd / "out" / Path(line["file"]).name
        if line["task"] == "image":
            assert record_of(file)["prompt"] == "a red circle"
        else:
            assert file.read_bytes() == (genai.cwd / "whole" / file.name).read_bytes()
    left = {path.name for path in (genai.cwd / "out").iterdir() if not path.name.startswith(".")}
    assert left == {path.name for path in (genai.cwd / "whole").iterdir() if not path.name.startswith(".")}
    asked = count_answers(server)
    assert genai(*command, "-o", "out/").code == 0
    assert count_answers(server) == asked
