"""Other people's programs that speak OpenAI's API, unchanged: llm (https://llm.datasette.io), and curl."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import TIMEOUT, RunningServer, Serve

PROMPT = "It was a dark"
GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 8}


def test_llm(serve: Serve, llama_chat: Path, tmp_path: Path) -> None:
    """Its own file of models names the server; it shows what the server answers, whole and in pieces."""
    pytest.importorskip("llm")
    server = serve("-m", llama_chat, "-m", "tiny")
    base = f"http://127.0.0.1:{server.port}/v1"
    known = [
        f"- model_id: base\n  model_name: tiny\n  api_base: {base}\n  completion: true\n",
        f"- model_id: chat\n  model_name: {llama_chat}\n  api_base: {base}\n",
    ]
    (tmp_path / "extra-openai-models.yaml").write_text("".join(known))
    environment = os.environ | {"LLM_USER_PATH": str(tmp_path)}
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
    text = ask(server, "/v1/completions", {**GREEDY, "model": "tiny", "prompt": PROMPT})["text"]
    said = ask(server, "/v1/chat/completions", {**GREEDY, "model": str(llama_chat), "messages": turns})
    for name, expected, more in (
        ("base", text, ["--no-stream"]),
        ("base", text, []),
        ("chat", said["message"]["content"], ["-s", "Be brief."]),
    ):
        options = [f"{part}" for word, value in GREEDY.items() for part in ("-o", word, value)]
        command = [sys.executable, "-m", "llm", "-m", name, PROMPT, "--key", "none", *options, *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == expected.strip()


def test_curl(serve: Serve) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    server = serve()
    body = {**GREEDY, "prompt": PROMPT, "stream": True}
    address = f"http://127.0.0.1:{server.port}/v1/completions"
    command = [
        "curl",
        "--silent",
        "--no-buffer",
        address,
        "-H",
        "Content-Type: application/json",
        "-d",
        json.dumps(body),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True)
    events = [line.removeprefix("data: ") for line in done.stdout.splitlines() if line]
    assert events.pop() == "[DONE]"
    pieces = "".join(choice["text"] for event in events for choice in json.loads(event)["choices"])
    assert pieces == ask(server, "/v1/completions", {**GREEDY, "prompt": PROMPT})["text"]


def ask(server: RunningServer, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The only choice of an answer."""
    status, _, data = server.ask("POST", path, body)
    assert status == 200, data
    choices = json.loads(data)["choices"]
    assert len(choices) == 1
    return dict(choices[0])
