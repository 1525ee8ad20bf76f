"""genai chat: turns, commands, what is kept, and a terminal."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import COMMAND, TIMEOUT, Genai, RunMain, write_rows

GREEDY = ["--temperature", "0", "--max-new-tokens", "10"]


def answer(run_main: RunMain, model: Path, **row: object) -> str:
    """The text that a row gives."""
    rows = write_rows(Path("row.jsonl"), [{"temperature": 0, "max_new_tokens": 10, **row}])
    done = run_main("text", "--prompts", rows, "-m", model, "--json", "-o", "-")
    assert done.code == 0, done.stderr
    text: str = json.loads(done.stdout)["text"]
    return text


def test_each_turn_knows_those_before_it(run_main: RunMain, llama_chat: Path) -> None:
    done = run_main("chat", "-m", llama_chat, *GREEDY, stdin="Who are you?\n\nAnd then?\n")
    assert (done.code, done.stderr) == (0, "")
    first = answer(run_main, llama_chat, prompt="Who are you?")
    turns = [{"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": first}]
    second = answer(run_main, llama_chat, prompt="And then?", messages=turns)
    assert done.stdout == f"{first}\n{second}\n"
    assert second != answer(run_main, llama_chat, prompt="And then?")


def test_a_conversation_is_saved_and_goes_on(run_main: RunMain, llama_chat: Path) -> None:
    options = ["chat", "-m", llama_chat, *GREEDY]
    saved = run_main(*options, "--system", "Be brief.", stdin="Who are you?\n/save talk.json\n")
    assert saved.stderr == "genai: written to talk.json\n"
    messages = json.loads(Path("talk.json").read_text())
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]
    assert messages[2]["content"] + "\n" == saved.stdout
    on = run_main(*options, "--from", "talk.json", stdin="And then?\n")
    # The turns of the file are those of a batch row.
    row = answer(run_main, llama_chat, prompt="And then?", messages=messages[1:], system="Be brief.")
    assert on.stdout == f"{row}\n"


def test_commands(run_main: RunMain, llama_chat: Path) -> None:
    first = answer(run_main, llama_chat, prompt="Who are you?")
    told = answer(run_main, llama_chat, prompt="Who are you?", system="Talk like a pirate.")
    slash = answer(run_main, llama_chat, prompt="/etc is a folder")
    lines = ["Who are you?", "/new", "/system Talk like a pirate.", "Who are you?", "/new", "/system", "Who are you?"]
    lines += ["/new", "//etc is a folder", "/help", "/exit", "never asked"]
    done = run_main("chat", "-m", llama_chat, *GREEDY, stdin="\n".join(lines))
    assert done.stdout == f"{first}\n{told}\n{first}\n{slash}\n"
    for words in ("a new conversation", "the system message is set", "there is no system message", "/save FILE"):
        assert words in done.stderr


def test_what_fails_costs_its_own_turn(run_main: RunMain, llama_chat: Path, gpt2: Path) -> None:
    first = answer(run_main, llama_chat, prompt="Who are you?")
    lines = ["/nwe", "/save", f"/model {gpt2}", "Hello", f"/model {llama_chat}", "word " * 300, "Who are you?"]
    done = run_main("chat", "-m", llama_chat, *GREEDY, stdin="\n".join(lines))
    assert done.stdout == f"{first}\n"
    for words in ("there is no /nwe\nhint: /new", "/save needs a name", "has no chat template", "context is 256"):
        assert words in done.stderr
    assert done.code == 2
    missing = run_main("chat", "-m", llama_chat, *GREEDY, stdin="/save no/such/folder/talk.json\n")
    assert (missing.code, "cannot write no/such/folder/talk.json" in missing.stderr) == (6, True)


def test_a_model_without_a_template_is_told_with_one_that_has(run_main: RunMain) -> None:
    done = run_main("chat", "-m", "tiny", stdin="Hello\n")
    assert (done.code, done.stdout) == (2, "")
    assert "tiny has no chat template" in done.stderr
    assert "-m qwen2.5-0.5b" in done.stderr


@pytest.mark.parametrize("text", ["{", "{}", "[1]", '[{"role": "tool", "content": "x"}]', "\xff"])
def test_a_file_that_is_no_conversation(run_main: RunMain, llama_chat: Path, text: str) -> None:
    Path("talk.json").write_text(text, encoding="latin-1")
    done = run_main("chat", "-m", llama_chat, "--from", "talk.json", stdin="Hello\n")
    assert (done.code, done.stdout) == (2, "")


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder for a worker of this test's own."""
    folder = Path(tempfile.mkdtemp(prefix="g"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    subprocess.run([COMMAND, "worker", "stop"], check=True, capture_output=True)
    shutil.rmtree(folder)


def test_a_terminal(genai: Genai, place: Path, llama_chat: Path, environment: Path) -> None:
    """A line, an answer that is stopped, another line, and the end; the worker goes on."""
    controller, terminal = pty.openpty()
    options = ["-m", str(llama_chat), "--temperature", "0", "--max-new-tokens", "200", "--keep", "2m"]
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
    process = subprocess.Popen([COMMAND, "chat", *options], cwd=genai.cwd, start_new_session=True, **streams)
    os.close(terminal)
    shown = ""

    def wait_for(pattern: str) -> None:
        nonlocal shown
        while not re.search(pattern, shown):
            assert select.select([controller], [], [], TIMEOUT)[0], shown
            shown += os.read(controller, 65536).decode(errors="replace")

    wait_for(r"/help shows the commands, Ctrl-D ends")
    wait_for(">")
    os.write(controller, b"/system Be brief.\r")
    wait_for("the system message is set")
    os.write(controller, b"/save talk.json\r")
    wait_for(r"written to talk.json[\s\S]*>")  # between two prompts the terminal itself would take Ctrl-D
    os.write(controller, b"\x04")
    assert process.wait(TIMEOUT) == 0, shown
    os.close(controller)
    assert json.loads((genai.cwd / "talk.json").read_text()) == [{"role": "system", "content": "Be brief."}]
    history = environment / ".local/state/genai/chat-history"
    assert "+/system Be brief." in history.read_text()
    assert history.parent.stat().st_mode & 0o077 == 0


def test_an_answer_is_stopped_and_the_conversation_goes_on(genai: Genai, place: Path, llama_chat: Path) -> None:
    import signal

    options = ["chat", "-m", llama_chat, "--temperature", "0", "--max-new-tokens", "200", "--keep", "2m"]
    process = genai.start(*options)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"Hello there\n")
    process.stdin.flush()
    assert os.read(process.stdout.fileno(), 1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(b"/save talk.json\n", timeout=TIMEOUT)
    assert process.returncode == 0, stderr.decode()
    assert b"genai: stopped\ngenai: written to talk.json\n" in stderr
    roles = [message["role"] for message in json.loads((genai.cwd / "talk.json").read_text())]
    assert roles == ["user", "assistant"]
