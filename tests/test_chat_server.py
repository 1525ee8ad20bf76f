"""genai chat with a server's model: what it is asked, Ctrl-C, and changing to a model of this machine."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import TIMEOUT, Genai, RunMain
from loopback_api import LoopbackApi, stream_answer

KEY = "sk-very-secret-0123456789"
PIECES = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in ("Once ", "upon ", "a time.")]


@pytest.fixture
def api() -> Iterator[LoopbackApi]:
    """A server with one model."""
    with LoopbackApi() as api:
        yield api


def test_each_turn_sends_those_before_it(run_main: RunMain, api: LoopbackApi) -> None:
    options = ["--system", "Be brief.", "--temperature", "0.5", "--max-new-tokens", "12", "--seed", "3"]
    done = run_main("chat", "-m", api.url, *options, stdin="Hello\nAnd?\n/save talk.json\n")
    assert (done.code, done.stdout) == (0, "Echo of Hello.\nEcho of And?.\n")
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Echo of Hello."},
        {"role": "user", "content": "And?"},
    ]
    body = api.calls()[1].body
    assert body["messages"] == turns
    assert (body["model"], body["stream"], body["seed"], body["max_tokens"]) == ("small", True, 3, 12)
    assert json.loads(Path("talk.json").read_text()) == [*turns, {"role": "assistant", "content": "Echo of And?."}]


def test_models_of_servers_and_of_this_machine_take_turns(
    run_main: RunMain, api: LoopbackApi, llama_chat: Path
) -> None:
    options = ["--temperature", "0", "--max-new-tokens", "5"]
    lines = ["One", f"/model {llama_chat}", "Two", f"/model {api.model}", "Three", "/save talk.json"]
    done = run_main("chat", "-m", api.model, *options, stdin="\n".join(lines))
    assert done.code == 0, done.stderr
    own = done.stdout.removeprefix("Echo of One.\n").removesuffix("Echo of Three.\n")
    said = [message["content"] for message in json.loads(Path("talk.json").read_text())]
    assert [turn["content"] for turn in api.calls()[1].body["messages"]] == said[:-1]
    assert own == f"{said[3]}\n"
    back = run_main("chat", "-m", llama_chat, *options, stdin=f"/model {api.url}\nFour\n")
    assert (back.code, back.stdout) == (0, "Echo of Four.\n")


def test_the_key_goes_to_the_first_server_alone(
    run_main: RunMain, api: LoopbackApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENAI_API_KEY", KEY)
    api.key = KEY
    with LoopbackApi() as other:
        done = run_main("chat", "-m", api.url, stdin=f"One\n/model {other.url}\nTwo\n/save talk.json\n")
        assert done.stdout == "Echo of One.\nEcho of Two.\n"
        assert {asked.token for asked in api.asked} == {f"Bearer {KEY}"}
        assert {asked.token for asked in other.asked} == {None}
    assert KEY not in done.stderr + Path("talk.json").read_text()
    monkeypatch.delenv("GENAI_API_KEY")
    refused = run_main("chat", "-m", api.url, stdin="One\n")
    assert (refused.code, "GENAI_API_KEY" in refused.stderr) == (4, True)
    (tmp_path / "key").write_text(KEY)
    assert run_main("chat", "-m", api.url, "--api-key-file", tmp_path / "key", stdin="One\n").code == 0


def test_what_fails_costs_its_own_turn(run_main: RunMain, api: LoopbackApi) -> None:
    api.script.append(stream_answer(PIECES[:1], cut=True))
    done = run_main("chat", "-m", api.model, stdin="One\n/model http://me:pw@host/v1\nTwo\n")
    assert done.stdout == "Once \nEcho of Two.\n"
    assert "ended in the middle of the text" in done.stderr
    assert "a user and a password" in done.stderr
    assert "pw" not in done.stderr
    assert [turn["content"] for turn in api.calls()[1].body["messages"]] == ["Two"]
    assert run_main("chat", "-m", "http://127.0.0.1:9/v1#x", stdin="One\n").code == 5
    assert run_main("chat", "-m", "http://", stdin="One\n").code == 2
    option = run_main("chat", "-m", api.model, "--top-k", "3", stdin="One\n")
    assert (option.code, "--top-k does not work with a server" in option.stderr) == (2, True)


def test_ctrl_c_stops_the_answer_and_the_conversation_goes_on(genai: Genai, api: LoopbackApi) -> None:
    whole = stream_answer(PIECES)
    place = whole.body.index(b"upon ")
    api.script.append(
        type(whole)(whole.status, whole.body, whole.headers, pause_after=whole.body.rindex(b"data", 0, place))
    )
    process = genai.start("chat", "-m", api.model)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"Tell me a story\n")
    process.stdin.flush()
    assert os.read(process.stdout.fileno(), 100) == b"Once "
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(b"And?\n/save talk.json\n", timeout=TIMEOUT)
    assert process.returncode == 0, stderr.decode()
    assert (stdout, b"genai: stopped\n" in stderr) == (b"\nEcho of And?.\n", True)
    messages = json.loads((genai.cwd / "talk.json").read_text())
    assert [message["content"] for message in messages] == ["Tell me a story", "Once ", "And?", "Echo of And?."]
