"""Servers of OpenAI's API as models: what they are asked, what becomes of their answers, and what is done again."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Genai, RunMain, write_rows
from loopback_api import LoopbackApi, json_answer, stream_answer

from genai_cli.errors import InputError
from genai_cli.hub.address import parse_address


@pytest.fixture
def api() -> Iterator[LoopbackApi]:
    """A server with one model."""
    with LoopbackApi() as api:
        yield api


def read_record(file: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(Path(file).read_text())
    return record


def test_a_text_appears_as_it_is_made_and_is_written_with_its_record(genai: Genai, api: LoopbackApi) -> None:
    api.script.append(make_stream(["Once ", "upon ", "a time."], pause_after=1))
    process = genai.start("text", "Hello", "-m", api.url, "--seed", "7", "-o", "a.txt")
    assert process.stdin and process.stdout
    process.stdin.close()
    seen = b""
    while b"Once" not in seen:
        piece = os.read(process.stdout.fileno(), 100)
        assert piece, "the text is not shown before its end"
        seen += piece
    assert b"upon" not in seen
    api.released.set()
    seen += process.stdout.read()
    assert process.wait() == 0
    assert seen == b"Once upon a time.\n"
    assert (genai.cwd / "a.txt").read_text() == "Once upon a time.\n"
    record = json.loads((genai.cwd / "a.txt.json").read_text())
    assert record["model"] == {"id": f"{api.url}#small", "revision": None, "variant": None, "license": None}
    assert record["server"] == {"address": api.url, "model": "served"}
    assert (record["device"], record["dtype"], record["libraries"]) == ("remote", "unknown", {})
    assert (record["finish_reason"], record["tokens"]) == ("stop", {"prompt": 1, "completion": 2})


def make_stream(pieces: list[str], pause_after: int | None = None) -> Any:
    """A stream of a chat's pieces; it waits after so many of them."""
    from dataclasses import replace

    events: list[dict[str, Any]] = [{"model": "served", "choices": [{"delta": {"content": text}}]} for text in pieces]
    events.append({"model": "served", "choices": [{"delta": {}, "finish_reason": "stop"}]})
    events.append({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    answer = stream_answer(events)
    place = None if pause_after is None else [n for n in range(len(answer.body)) if answer.body[n:].startswith(b"\n\n")]
    return replace(answer, pause_after=place and place[(pause_after or 0)] + 2)


def test_a_chat_sends_what_was_given_and_nothing_else(run_main: RunMain, api: LoopbackApi) -> None:
    options = ("--system", "Be brief.", "--seed", "3", "--temperature", "0.5", "--top-p", "0.9", "--stop", "END")
    done = run_main("text", "Hello", "-m", api.model, "--max-new-tokens", "12", *options, "-o", "a.txt")
    assert (done.code, done.stdout) == (0, "Echo of Hello.\n")
    (asked,) = api.calls()
    assert asked.path == "/v1/chat/completions"
    body = {name: value for name, value in asked.body.items() if not name.startswith("stream")}
    assert body == {
        "model": "small",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "seed": 3,
        "max_tokens": 12,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
    }
    assert read_record("a.txt.json")["parameters"] == {
        "seed": 3,
        "max_new_tokens": 12,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "system": "Be brief.",
        "chat": True,
        "echo": False,
    }


def test_a_plain_prompt_is_continued_after_it(run_main: RunMain, api: LoopbackApi) -> None:
    done = run_main("text", "Once", "-m", api.model, "--no-chat", "--seed", "1", "-o", "a.txt")
    assert (done.code, done.stdout) == (0, "OnceEcho of Once.\n")
    assert api.calls()[0].path == "/v1/completions"
    assert {"prompt": "Once", "seed": 1}.items() <= api.calls()[0].body.items()
    assert Path("a.txt").read_text() == "OnceEcho of Once.\n"
    assert run_main("text", "Once", "-m", api.model, "--no-chat", "--no-echo", "-o", "-").stdout == "Echo of Once.\n"


def test_a_server_that_does_not_stream_is_heard(run_main: RunMain, api: LoopbackApi) -> None:
    api.streams = False
    assert run_main("text", "Hello", "-m", api.model, "-o", "-").stdout == "Echo of Hello.\n"


def test_a_row_may_hold_a_conversation(run_main: RunMain, api: LoopbackApi, tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    rows = write_rows(
        tmp_path / "jobs.jsonl", [{"task": "text", "prompt": "And?", "messages": turns, "model": api.model}]
    )
    assert run_main("batch", rows, "-o", "out/").code == 0
    assert api.calls()[0].body["messages"] == [*turns, {"role": "user", "content": "And?"}]


def test_a_picture_is_decoded_and_carries_genai_s_record(run_main: RunMain, api: LoopbackApi) -> None:
    done = run_main("image", "a cat", "-m", api.model, "--size", "32x16", "--seed", "5", "-o", "cat.png")
    assert (done.code, done.stdout) == (0, "cat.png\n")
    (asked,) = api.calls()
    assert asked.path == "/v1/images/generations"
    assert asked.body == {
        "model": "small",
        "prompt": "a cat",
        "n": 1,
        "response_format": "b64_json",
        "seed": 5,
        "size": "32x16",
    }
    record = json.loads(run_main("show", "cat.png", "--json").stdout)
    assert record["parameters"] == {"seed": 5, "width": 32, "height": 16}
    assert record["server"] == {"address": api.url, "model": "small"}
    assert b"trainedAlgorithmicMedia" in Path("cat.png").read_bytes()
    assert "parameters.width" in run_main("show", "cat.png").stdout
    assert run_main("image", "a cat", "-m", api.model, "-o", "cat.jpg").code == 0
    parameters = run_main("show", "cat.png").stdout
    assert "None" not in parameters.replace("model.revision               None", "").replace(
        "model.variant                None", ""
    ).replace("model.license                None", "")


def test_several_pictures_get_seeds_of_their_own(run_main: RunMain, api: LoopbackApi) -> None:
    assert run_main("image", "a cat", "-m", api.model, "-n", "3", "--seed", "4", "-o", "out/").code == 0
    assert sorted(asked.body["seed"] for asked in api.calls()) == [4, 5, 6]
    assert len(list(Path("out").iterdir())) == 3


@pytest.mark.parametrize("kind", ["text", "image"])
def test_a_result_is_made_again_and_compared(run_main: RunMain, api: LoopbackApi, kind: str) -> None:
    file = {"text": "first.txt", "image": "first.png"}[kind]
    options = {"text": ["--system", "Be brief."], "image": ["--size", "32x16"]}[kind]
    assert run_main(kind, "a cat", "-m", api.model, *options, "-o", file).code == 0
    first = api.calls()[0].body
    assert run_main("rerun", file, "-o", f"again{Path(file).suffix}").code == 0
    assert api.calls()[1].body == first
    assert Path(f"again{Path(file).suffix}").read_bytes()[:12] == Path(file).read_bytes()[:12]
    done = run_main("rerun", file, "--verify")
    assert (done.code, done.stdout) == (0, f"{file}: the same\n")
    assert "no weights are known" in done.stderr
    if kind == "text":
        api.reply = lambda _prompt: "Something else."
        changed = run_main("rerun", file, "--verify")
        assert changed.code == 8
        assert "the server makes another result" in changed.stderr
        assert "its weights, settings and load are not known" in changed.stderr


def test_a_killed_batch_asks_for_no_finished_item_again(genai: Genai, api: LoopbackApi, tmp_path: Path) -> None:
    rows = write_rows(
        tmp_path / "jobs.jsonl", [{"task": "text", "prompt": f"prompt {n}", "id": f"n{n}"} for n in range(20)]
    )
    arguments = ("batch", rows, "-o", "out/", "-m", api.url)
    twelfth = threading.Event()

    def hold(number: int) -> None:
        if number == 12:
            twelfth.set()
        if number > 8:
            api.released.wait(60)

    api.before_answer = hold
    process = genai.start(*arguments)
    assert twelfth.wait(60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    manifest = genai.cwd / "out" / "manifest.jsonl"
    done = [line for line in map(json.loads, manifest.read_text().splitlines()) if line.get("status") == "done"]
    assert len(done) in (7, 8)
    api.released.set()
    asked_before = len(api.calls())
    assert genai(*arguments).code == 0
    asked = api.prompts()[asked_before:]
    assert sorted(asked) == sorted({f"prompt {n}" for n in range(20)} - {line["prompt"] for line in done})
    for n in range(20):
        assert (genai.cwd / "out" / f"n{n}.txt").read_text() == f"Echo of prompt {n}.\n"
    assert genai(*arguments).code == 0
    assert len(api.prompts()) == asked_before + len(asked)


def test_so_many_calls_at_once_and_no_more(run_main: RunMain, api: LoopbackApi, tmp_path: Path) -> None:
    together, lock = threading.Barrier(3), threading.Lock()
    counts = {"now": 0, "most": 0}

    def meet(_number: int) -> None:
        with lock:
            counts["now"] += 1
            counts["most"] = max(counts["most"], counts["now"])
        together.wait(30)
        with lock:
            counts["now"] -= 1

    api.before_answer = meet
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("".join(f"prompt {n}\n" for n in range(9)))
    done = run_main("text", "--prompts", prompts, "-m", api.model, "--workers", "3", "-o", "out.jsonl")
    assert done.code == 0
    assert counts["most"] == 3
    texts = [json.loads(line)["text"] for line in Path("out.jsonl").read_text().splitlines()]
    assert texts == [f"Echo of prompt {n}." for n in range(9)]


def test_openai_rows_are_answered_by_a_server(run_main: RunMain, api: LoopbackApi, tmp_path: Path) -> None:
    body = {"model": "gpt-x", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    row = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": body}
    rows = write_rows(tmp_path / "jobs.jsonl", [row])
    done = run_main("batch", rows, "-o", "out.jsonl", "--format", "openai", "-m", api.model)
    assert done.code == 0
    answer = json.loads(Path("out.jsonl").read_text())["response"]["body"]
    assert answer["choices"][0]["message"]["content"] == "Echo of Hi."
    assert api.calls()[0].body["max_tokens"] == 4


def test_servers_and_models_of_this_machine_in_one_batch(run_main: RunMain, api: LoopbackApi, tmp_path: Path) -> None:
    rows = [
        {"task": "classify", "prompt": "a good film", "model": "tiny", "id": "here"},
        {"task": "text", "prompt": "Hi", "model": api.model, "id": "there"},
        {"task": "classify", "prompt": "a good film", "model": api.model, "id": "cannot"},
        {"task": "text", "prompt": "Hi", "model": "http://127.0.0.1:9/v1#x", "id": "nobody"},
    ]
    done = run_main("batch", write_rows(tmp_path / "jobs.jsonl", rows), "-o", "out/", "--device", "cpu")
    assert done.code == 3
    assert {path.name for path in Path("out").glob("*.txt")} == {"here.txt", "there.txt"}
    assert "classify does not work with a server as its model" in done.stderr
    assert "http://127.0.0.1:9/v1 takes no connection" in done.stderr


def test_the_only_model_is_taken_and_one_of_several_must_be_named(run_main: RunMain) -> None:
    with LoopbackApi(models=("large", "small")) as api:
        done = run_main("text", "Hi", "-m", api.url)
        assert done.code == 2
        assert f"{api.url} has 2 models: large, small" in done.stderr
        assert f"-m {api.url}#NAME" in done.stderr
        assert run_main("text", "Hi", "-m", f"{api.url}#large", "-o", "-").code == 0
        assert run_main("text", "Hi", "-m", f"{api.url}/#small", "-o", "-").code == 0
        unknown = run_main("text", "Hi", "-m", f"{api.url}#other", "-o", "-")
        assert unknown.code == 4
        assert "The model 'other' does not exist" in unknown.stderr
        shown = run_main("models", "show", api.url)
        assert f"model: {api.url}#large\nmodel: {api.url}#small" in shown.stdout
        assert json.loads(run_main("models", "show", api.url, "--json").stdout)["models"] == ["large", "small"]
        assert run_main("models", "show", f"{api.url}#other").code == 4
        assert run_main("models", "pull", api.url).code == 2
    with LoopbackApi(models=()) as empty:
        assert "has no model" in run_main("text", "Hi", "-m", empty.url).stderr


def test_a_dry_run_makes_no_call(run_main: RunMain, api: LoopbackApi, tmp_path: Path) -> None:
    done = run_main("image", "a cat", "-m", api.model, "--dry-run")
    assert done.code == 0
    assert f"with {api.model}" in done.stderr
    assert not api.asked
    rows = write_rows(tmp_path / "jobs.jsonl", [{"task": "text", "prompt": "Hi"}])
    done = run_main("batch", rows, "-m", api.url, "-o", "out/", "--dry-run")
    assert f"model {api.model} for 1 text: on a server" in done.stderr
    assert not api.calls()
    assert run_main("batch", rows, "-m", "http://127.0.0.1:9/v1", "-o", "out/", "--dry-run").code == 5


def test_a_settings_file_may_name_a_server(
    run_main: RunMain, api: LoopbackApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Path("settings.toml")
    settings.write_text(f'device = "cpu"\n[text]\nmodel = "{api.model}"\noutput = "-"\n')
    monkeypatch.setenv("GENAI_CONFIG", str(settings.absolute()))
    assert run_main("text", "Hi").stdout == "Echo of Hi.\n"


@pytest.mark.parametrize(
    ("address", "id_"),
    [
        ("http://Box:8080/v1/#a/b@c", "http://box:8080/v1#a/b@c"),
        ("HTTPS://box/openai/v1", "https://box/openai/v1"),
        ("http://[::1]:80/v1#x#y", "http://[::1]:80/v1#x#y"),
    ],
)
def test_an_address_has_one_spelling(address: str, id_: str) -> None:
    reference = parse_address(address)
    assert (reference.id, reference.pinned, str(reference)) == (id_, True, id_)


@pytest.mark.parametrize("address", ["http://", "http:///v1", "http://box", "http://box:x/v1", "http://a b/v1#x"])
def test_what_is_no_address_is_refused(run_main: RunMain, address: str) -> None:
    with pytest.raises(InputError):
        parse_address(address)
    done = run_main("text", "Hi", "-m", address)
    assert done.code == 2
    assert "Traceback" not in done.stderr


def test_half_characters_of_a_server_harm_nothing(run_main: RunMain, api: LoopbackApi) -> None:
    choice = {"message": {"content": "a \ud800 b"}, "finish_reason": "st\udc00p"}
    api.script.append(json_answer({"model": "\ud800", "choices": [choice]}))
    done = run_main("text", "Hi", "-m", api.model, "-o", "a.txt")
    assert (done.code, Path("a.txt").read_text()) == (0, "a ? b\n")


def test_an_interrupt_waits_for_no_answer(genai: Genai, api: LoopbackApi, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "jobs.jsonl", [{"task": "text", "prompt": f"prompt {n}"} for n in range(8)])
    fourth = threading.Event()

    def hold(number: int) -> None:
        if number == 4:
            fourth.set()
        api.released.wait(60)

    api.before_answer = hold
    process = genai.start("batch", rows, "-m", api.url, "-o", "out/")
    assert fourth.wait(60)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"0/8 done; run the same command to resume" in said
