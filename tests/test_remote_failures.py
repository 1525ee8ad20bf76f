"""Servers as models: what fails and how, what is tried again, what is refused, and who gets the key."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Completed, Genai, RunMain, write_rows
from loopback_api import Answer, LoopbackApi, error_answer, json_answer, stream_answer

from genai_cli.work.engines import api_client

KEY = "sk-very-secret-0123456789"
PIECE = {"choices": [{"delta": {"content": "Once "}}]}


@pytest.fixture
def api() -> Iterator[LoopbackApi]:
    """A server with one model."""
    with LoopbackApi() as api:
        yield api


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have waited each time; it does not wait."""
    waited: list[float] = []

    def pause(_stopping: object, seconds: float) -> bool:
        waited.append(seconds)
        return False

    monkeypatch.setattr(api_client, "pause", pause)
    return waited


def ask(run_main: RunMain, api: LoopbackApi, *options: str) -> Completed:
    return run_main("text", "Hello", "-m", api.model, "-o", "a.txt", *options)


def test_too_many_requests_are_waited_out_as_asked(run_main: RunMain, api: LoopbackApi, waits: list[float]) -> None:
    api.script += [error_answer(429, "slow down", {"Retry-After": "7"})] * 2
    done = ask(run_main, api)
    assert (done.code, done.stdout, waits) == (0, "Echo of Hello.\n", [7, 7])
    assert "asks to wait 7 s" in done.stderr


def test_a_server_that_stumbles_is_asked_again(run_main: RunMain, api: LoopbackApi, waits: list[float]) -> None:
    api.script += [error_answer(500, "oops")] * 2
    assert ask(run_main, api).code == 0
    assert waits == [0.5, 1]
    assert len(api.calls()) == 3


def test_waiting_has_an_end(run_main: RunMain, api: LoopbackApi, waits: list[float]) -> None:
    api.script += [error_answer(503, "busy")] * 100
    done = ask(run_main, api)
    assert done.code == 5
    assert sum(waits) <= 60
    assert "503: busy" in done.stderr
    waits.clear()
    api.script.clear()
    api.script.append(error_answer(429, "quota", {"Retry-After": "3600"}))
    done = ask(run_main, api)
    assert (done.code, waits) == (5, [])
    assert "it asks to wait 3600 s" in done.stderr
    api.script += [error_answer(500, "always")] * 100
    assert ask(run_main, api).code == 4
    assert not Path("a.txt").exists()


def test_one_item_s_failure_is_its_own(run_main: RunMain, api: LoopbackApi, tmp_path: Path) -> None:
    api.script += [error_answer(400, "This model's maximum context length is 8 tokens.")]
    done = ask(run_main, api)
    assert done.code == 2
    assert "answered 400: This model's maximum context length is 8 tokens." in done.stderr
    api.script += [error_answer(422, "no")]
    rows = write_rows(tmp_path / "jobs.jsonl", [{"task": "text", "prompt": f"p{n}"} for n in range(3)])
    assert run_main("batch", rows, "-m", api.model, "-o", "out/", "--workers", "1").code == 3
    assert len(list(Path("out").glob("*.txt"))) == 2


@pytest.mark.parametrize(
    "body", [b'{"error": "plain words"}', b'{"message": "plain words"}', b'{"detail": "plain words"}']
)
def test_errors_of_other_servers_are_read(run_main: RunMain, api: LoopbackApi, body: bytes) -> None:
    api.script.append(Answer(400, body))
    assert "answered 400: plain words" in ask(run_main, api).stderr


def test_an_overloaded_server_ends_a_batch_that_then_resumes(
    run_main: RunMain, api: LoopbackApi, waits: list[float], tmp_path: Path
) -> None:
    rows = write_rows(tmp_path / "jobs.jsonl", [{"task": "text", "prompt": f"p{n}"} for n in range(4)])
    arguments = ("batch", rows, "-m", api.model, "-o", "out/", "--workers", "1")
    assert run_main(*arguments, "--limit", "1").code == 0
    api.script += [error_answer(503, "busy")] * 100
    assert run_main(*arguments).code == 5
    api.script.clear()
    done = run_main(*arguments)
    assert done.code == 0
    assert "3 done, 1 done earlier" in done.stderr
    assert waits


def test_a_text_that_is_cut_is_not_kept(run_main: RunMain, api: LoopbackApi, waits: list[float]) -> None:
    api.script.append(stream_answer([PIECE], cut=True))
    done = ask(run_main, api)
    assert (done.code, done.stdout, waits) == (5, "Once ", [])
    assert "ended in the middle of the text" in done.stderr
    api.script.append(Answer(200, stream_answer([PIECE], cut=True).body, {"Content-Type": "text/event-stream"}))
    assert ask(run_main, api).code == 5  # closed in order, and yet without an end
    api.script.append(stream_answer([PIECE, {"error": {"message": "out of memory"}}]))
    done = ask(run_main, api)
    assert done.code == 4
    assert "out of memory" in done.stderr
    assert not list(Path().iterdir())


def test_a_connection_that_ends_before_the_text_is_tried_again(
    run_main: RunMain, api: LoopbackApi, waits: list[float]
) -> None:
    api.script += [stream_answer([], cut=True), Answer(200, b'{"cho', cut=True)]
    done = ask(run_main, api)
    assert (done.code, done.stdout, waits) == (0, "Echo of Hello.\n", [0.5, 1])


def test_a_slow_answer_is_not_waited_for(run_main: RunMain, api: LoopbackApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "ANSWER_SECONDS", 0.05)
    api.before_answer = lambda _number: bool(api.released.wait(30)) and None
    done = ask(run_main, api)
    assert done.code == 5
    assert "gave no answer within 0.05 s" in done.stderr
    assert len(api.calls()) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>hello</html>"),
        Answer(200, b"[" * 100_000),
        Answer(200, b"[1]"),
        json_answer({"choices": []}),
        json_answer({"choices": [{"message": {"content": 3}}]}),
        json_answer({"choices": [3]}),
        stream_answer([{"choices": [{"delta": {"content": [1]}}]}]),
        Answer(200, b"data: nonsense\n\n", {"Content-Type": "text/event-stream"}),
    ],
)
def test_garbage_is_no_answer(run_main: RunMain, api: LoopbackApi, answer: Answer) -> None:
    api.script.append(answer)
    done = ask(run_main, api)
    assert done.code == 4
    assert "not of OpenAI's API" in done.stderr
    assert not Path("a.txt").exists()


def test_a_huge_answer_is_not_taken(run_main: RunMain, api: LoopbackApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_client, "MOST_BYTES", 2_000_000)
    huge = [json_answer({"choices": [{"text": "x" * 3_000_000}]}), stream_answer([PIECE] * 60_000)]
    for answer in huge:
        api.script.append(answer)
        done = ask(run_main, api)
        assert done.code == 4
        assert "the server's answer is over 2 MB" in done.stderr
    monkeypatch.setattr(api_client, "MOST_LINE_BYTES", 100_000)
    api.script.append(Answer(200, b"data: " + b"x" * 1_000_000, {"Content-Type": "text/event-stream"}))
    assert ask(run_main, api).code == 4


def test_an_empty_text_is_no_result(run_main: RunMain, api: LoopbackApi) -> None:
    api.reply = lambda _prompt: " \n"
    done = ask(run_main, api)
    assert done.code == 8
    assert "hint: try another prompt or another seed" in done.stderr
    api.script.append(json_answer({"choices": [{"message": {"content": None, "tool_calls": []}}]}))
    assert ask(run_main, api).code == 8


def plain_picture() -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "grey").save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def test_pictures_that_are_none_are_not_kept(
    run_main: RunMain, api: LoopbackApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genai_cli.content.picture_reading.MAX_PIXELS", 100)
    pictures = {
        plain_picture(): (8, "a single colour"),
        base64.b64encode(b"hello").decode(): (8, "not a picture of a known type"),
        "%%%": (4, "not of OpenAI's API"),
    }
    for encoded, (code, words) in pictures.items():
        api.script.append(json_answer({"data": [{"b64_json": encoded}]}))
        done = run_main("image", "a cat", "-m", api.model, "-o", "a.png")
        assert (done.code, words in done.stderr) == (code, True), done.stderr
        assert "--dtype" not in done.stderr
    assert run_main("image", "a cat", "-m", api.model, "-o", "a.png").code == 8  # 16x8 are too many pixels
    api.script.append(json_answer({"data": [{"url": "http://127.0.0.1:9/cat.png"}]}))
    done = run_main("image", "a cat", "-m", api.model, "-o", "a.png")
    assert (done.code, "ignores response_format" in done.stderr) == (4, True)
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--device", "cpu"], 2, "--device does not work with a server"),
        (["--dtype", "float32"], 2, "--dtype does not work"),
        (["--variant", "fp16"], 2, "--variant does not work"),
        (["--compile"], 2, "--compile does not work"),
        (["--no-compile"], 2, "--compile does not work"),
        (["--keep", "5m"], 2, "--keep does not work"),
        (["--batch-size", "2"], 2, "--batch-size does not work"),
        (["--quantize", "int8"], 2, "--quantize does not work with a server"),
        (["--top-k", "3"], 2, "--top-k does not work"),
        (["--repetition-penalty", "1.1"], 2, "--repetition-penalty does not work"),
        (["--engine", "ray"], 2, "--engine ray"),
        (["--offline"], 5, "--offline allows no request"),
        (["--require-license", "mit"], 9, "states no licence, and only mit may be used"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    run_main: RunMain, api: LoopbackApi, options: list[str], code: int, words: str
) -> None:
    done = ask(run_main, api, *options)
    assert done.code == code
    assert words in done.stderr
    assert not api.calls()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--steps", "3"], "--steps does not work with a server"),
        (["--guidance", "3"], "--guidance does not work"),
        (["--scheduler", "ddim"], "--scheduler does not work"),
        (["--negative-prompt", "dogs"], "--negative-prompt does not work"),
        (["--no-safety"], "--safety does not work"),
        (["--fast"], "--steps and --scheduler and --fast do not work"),
        (["--width", "64"], "a server needs width and height together"),
    ],
)
def test_options_that_the_api_does_not_have_are_refused(
    run_main: RunMain, api: LoopbackApi, options: list[str], words: str
) -> None:
    done = run_main("image", "a cat", "-m", api.model, *options)
    assert done.code == 2
    assert words in done.stderr
    assert not api.calls()


@pytest.mark.parametrize("task", ["classify", "audio"])
def test_tasks_that_servers_do_not_offer_are_refused(run_main: RunMain, api: LoopbackApi, task: str) -> None:
    for more in ([], ["--dry-run", "--json"]):
        done = run_main(task, "something", "-m", api.model, *more)
        assert done.code == 2
        assert "hint: what works: image, text" in done.stderr


def test_a_number_of_workers_needs_something_that_works(run_main: RunMain) -> None:
    done = run_main("text", "Hi", "-m", "tiny", "--workers", "2")
    assert done.code == 2
    assert "--workers needs --engine ray, or a server as the model" in done.stderr


# The key


def list_contents(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "".join(f"{path}\n{path.read_bytes().decode(errors='replace')}" for path in files)


def test_the_key_goes_to_the_server_and_nowhere_else(
    genai: Genai, api: LoopbackApi, environment: Path, tmp_path: Path
) -> None:
    api.key = KEY
    key = {"GENAI_API_KEY": KEY}
    said = [genai("text", "Hi", "-m", api.url, "-o", "a.txt", "--debug", "-v", "--json", env=key)]
    said.append(genai("image", "a cat", "-m", api.url, "-o", "a.png", "--debug", "-v", env=key))
    rows = write_rows(tmp_path / "jobs.jsonl", [{"task": "text", "prompt": f"p{n}"} for n in range(3)])
    said.append(genai("batch", rows, "-o", "out/", "-m", api.url, env=key))
    assert [done.code for done in said] == [0, 0, 0]
    assert {asked.token for asked in api.asked} == {f"Bearer {KEY}"}
    api.script += [error_answer(401, f"Incorrect API key provided: {KEY}")]
    api.script += [
        error_answer(400, f"Bearer {KEY} is odd"),
        Answer(200, b"nonsense"),
        stream_answer([PIECE], cut=True),
    ]
    for code in (4, 2, 4, 5):
        said.append(genai("text", "Hi", "-m", api.model, "--debug", "-v", env=key))
        assert said[-1].code == code
        assert "Traceback" in said[-1].stderr or code == 2
    assert "GENAI_API_KEY" in said[3].stderr
    for done in said:
        assert KEY not in done.stderr + done.stdout
    assert KEY not in list_contents(genai.cwd) + list_contents(environment)


def test_no_redirect_is_followed(run_main: RunMain, api: LoopbackApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENAI_API_KEY", KEY)
    with LoopbackApi() as other:
        for status in (301, 302, 307, 308):
            api.script.append(Answer(status, b"", {"Location": f"{other.url}/chat/completions"}))
            done = ask(run_main, api, "--debug")
            assert done.code == 4
            assert f"answered {status}, a redirect" in done.stderr
            assert KEY not in done.stderr
        assert not other.asked


def test_a_key_from_a_file(
    run_main: RunMain, api: LoopbackApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.key = KEY
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    assert ask(run_main, api, "--api-key-file", str(file)).code == 0
    monkeypatch.setenv("GENAI_API_KEY", "another")
    assert ask(run_main, api, "--api-key-file", str(file)).code == 0
    assert ask(run_main, api).code == 4
    assert run_main("models", "show", api.url, "--api-key-file", file).code == 0
    assert run_main("rerun", "a.txt", "--verify", "--api-key-file", file).code == 0
    file.write_text(f"{KEY} {KEY}")
    for stated in (file, tmp_path / "missing", tmp_path):
        done = ask(run_main, api, "--api-key-file", str(stated))
        assert done.code == 2
        assert "--api-key-file" in done.stderr
        assert KEY not in done.stderr
    file.write_text(KEY)
    assert run_main("text", "Hi", "-m", "tiny", "--api-key-file", file).code == 2


def test_an_address_in_a_row_or_a_record_gets_no_key_of_another_server(
    run_main: RunMain, api: LoopbackApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENAI_API_KEY", KEY)
    with LoopbackApi() as other:
        rows = [{"task": "text", "prompt": "a"}, {"task": "text", "prompt": "b", "model": other.model}]
        jobs = write_rows(tmp_path / "jobs.jsonl", rows)
        assert run_main("batch", jobs, "-m", api.model, "-o", "out/").code == 0
        assert {asked.token for asked in api.asked} == {f"Bearer {KEY}"}
        assert [asked.token for asked in other.asked] == [None]
        ask(run_main, other)
        other.asked.clear()
        assert run_main("rerun", "a.txt", "-o", "b.txt").code == 0
        assert run_main("rerun", "a.txt", "-o", "b.txt", "-m", other.model).code == 0
        assert [asked.token for asked in other.asked] == [None, f"Bearer {KEY}"]
        done = run_main("batch", jobs, "-o", "out/", "--api-key-file", tmp_path / "key", "--dry-run")
        assert done.code == 2


def test_a_password_in_an_address_is_refused_and_not_shown(run_main: RunMain, tmp_path: Path) -> None:
    address = "http://me:s3cret-word@127.0.0.1:9/v1#x"
    rows = write_rows(tmp_path / "jobs.jsonl", [{"task": "text", "prompt": "Hi", "model": address}])
    for done in (
        run_main("text", "Hi", "-m", address, "--debug", "-v"),
        run_main("batch", rows, "-o", "out/", "--debug"),
        run_main("batch", rows, "-o", "out/", "--dry-run", "--json", "--skip-bad"),
        run_main("models", "show", address.replace("#x", "?key=s3cret-word"), "--debug"),
    ):
        assert done.code == 2
        assert "s3cret-word" not in done.stderr + done.stdout
    assert "s3cret-word" not in list_contents(Path())
    assert json.loads(rows.read_text())["model"] == address
