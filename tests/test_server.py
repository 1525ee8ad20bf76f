"""genai serve: OpenAI's API over HTTP, asked by its own client and by hand."""

import base64
import http.client
import io
import json
import re
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from checkpoint_parts import zeroed
from conftest import COMMAND, TIMEOUT, Genai, RunMain, RunningServer, Serve
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from readers import GENERATED, record_of

from genai_cli.device.spec import Placing
from genai_cli.errors import GenaiError, InputError, ModelError
from genai_cli.hub.access import Access
from genai_cli.modality.registry import list_endpoints
from genai_cli.server.answering import BusyError, Queue, Served, plan
from genai_cli.server.guard import MOST_BYTES, Rules, is_loopback

openai = pytest.importorskip("openai")
GREEDY = {"temperature": 0, "max_tokens": 8}


# The official client


def test_texts_and_conversations(serve: Serve, genai: Genai, llama_chat: Path) -> None:
    client = serve("-m", llama_chat).client()
    name = str(llama_chat)
    assert [model.id for model in client.models.list()] == [name]
    assert client.models.retrieve(name).id == name
    text = client.completions.create(model=name, prompt="It was", **GREEDY)
    options = ["-m", name, "--temperature", "0", "--max-new-tokens", "8", "-o", "-"]
    assert text.choices[0].text + "\n" == genai("text", "It was", *options, "--no-chat", "--no-echo").stdout
    assert text.usage.completion_tokens <= 8
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who are you?"}]
    chat = client.chat.completions.create(model=name, messages=asked, **GREEDY)
    usual = genai("text", "Who are you?", *options, "--system", "Be brief.")
    assert chat.choices[0].message.content + "\n" == usual.stdout
    two = client.completions.create(model=name, prompt=["It was", "Once"], **GREEDY)
    assert [choice.index for choice in two.choices] == [0, 1]
    assert two.choices[0].text == text.choices[0].text


@pytest.mark.parametrize("is_chat", [True, False])
def test_streams_are_the_whole_text_in_pieces(serve: Serve, llama_chat: Path, is_chat: bool) -> None:
    client, name = serve("-m", llama_chat).client(), str(llama_chat)
    options: dict[str, Any] = {"model": name, "temperature": 0, "max_tokens": 30}
    if is_chat:
        ask, options = client.chat.completions.create, {**options, "messages": [{"role": "user", "content": "Hello"}]}
        whole = ask(**options).choices[0].message.content
    else:
        ask, options = client.completions.create, {**options, "prompt": "Hello"}
        whole = ask(**options).choices[0].text
    chunks = list(ask(**options, stream=True, stream_options={"include_usage": True}))
    said = [chunk.choices[0] for chunk in chunks if chunk.choices]
    pieces = [choice.delta.content if is_chat else choice.text for choice in said]
    assert "".join(piece or "" for piece in pieces) == whole
    assert len(pieces) > 3
    assert said[-1].finish_reason in ("stop", "length")
    assert [choice.finish_reason for choice in said[:-1]] == [None] * (len(said) - 1)
    assert chunks[-1].usage.total_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1


def test_pictures_carry_record_and_mark(serve: Serve, tmp_path: Path) -> None:
    client = serve("-m", "tiny").client()
    made = client.images.generate(model="tiny", prompt="a red circle", n=2, size="64x64", extra_body={"seed": 3})
    data = [base64.b64decode(picture.b64_json) for picture in made.data]
    assert data[0] != data[1]
    (tmp_path / "a.png").write_bytes(data[0])
    record = record_of(tmp_path / "a.png")
    assert (record["prompt"], record["parameters"]["seed"]) == ("a red circle", 3)
    assert Image.open(io.BytesIO(data[0])).size == (64, 64)
    assert GENERATED.encode() in data[0]


# What is refused, and how


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/v1/completions", {"prompt": "x", "model": "other"}, 404, "not served here"),
        ("/v1/completions", {"prompt": "x", "model": "http://127.0.0.1:1/v1#x"}, 404, "not served here"),
        ("/v1/completions", {"prompt": 3}, 400, "prompt must be text"),
        ("/v1/completions", {"prompt": "x", "max_tokens": -1}, 400, "max"),
        ("/v1/completions", {"prompt": "x", "tools": [1]}, 400, "'tools' cannot be honoured"),
        ("/v1/completions", {"prompt": "x", "logprobs": 3}, 400, "'logprobs' cannot be honoured"),
        ("/v1/completions", {"prompt": ["x"] * 17}, 400, "more than 16"),
        ("/v1/completions", {"prompt": ["x", "y"], "stream": True}, 400, "one text at a time"),
        ("/v1/chat/completions", {"messages": []}, 400, "messages"),
        ("/v1/images/generations", {"prompt": "x", "stream": True}, 400, "only texts come in pieces"),
        ("/v1/images/generations", {"prompt": "x", "response_format": "url"}, 400, "b64_json"),
        ("/v1/images/generations", {"prompt": "x", "size": "7x7"}, 400, "7"),
        ("/v1/completions", b"{", 400, "not JSON"),
        ("/v1/completions", b'{"prompt": "x", "temperature": NaN}', 400, "not JSON"),
        ("/v1/completions", b"[]", 400, "not a JSON object"),
        ("/v1/completions", b"[" * 100_000, 400, "not JSON"),
        ("/v1/nothing", {}, 404, "there is no POST /v1/nothing"),
    ],
)
def test_errors_have_openai_s_shape(
    one_server: RunningServer, path: str, body: object, status: int, words: str
) -> None:
    found, _, data = one_server.ask("POST", path, body)
    error = json.loads(data)["error"]
    assert (found, set(error)) == (status, {"message", "type", "param", "code"}), error
    assert words in error["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_web_pages_of_strangers_do_not_drive_it(one_server: RunningServer, headers: dict[str, str]) -> None:
    assert one_server.ask("GET", "/v1/models", headers=headers)[0] == 403
    assert one_server.ask("POST", "/v1/completions", {"prompt": "x"}, headers)[0] == 403


def test_pages_of_this_machine_may(one_server: RunningServer) -> None:
    headers = {"Host": f"localhost:{one_server.port}", "Origin": "http://localhost:3000"}
    assert one_server.ask("GET", "/v1/models", headers=headers)[0] == 200


def test_a_body_has_a_bound(one_server: RunningServer) -> None:
    status, _, data = one_server.ask("POST", "/v1/completions", headers={"Content-Length": str(MOST_BYTES + 1)})
    assert (status, b"at most" in data) == (413, True)
    with socket.create_connection(("127.0.0.1", one_server.port), timeout=TIMEOUT) as connection:
        head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        try:
            for _ in range(MOST_BYTES // 0x100000 + 2):
                connection.sendall(chunk)
        except OSError:  # it hung up
            pass
        else:
            assert b"400 Bad Request" in connection.recv(1000)
    assert one_server.ask("GET", "/health")[0] == 200


def test_a_key_is_needed_where_there_is_one(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("canary-of-the-key\n")
    server = serve("--api-key-file", tmp_path / "key")
    assert server.ask("GET", "/health")[0] == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "canary-of-the-key"}):
        status, found, data = server.ask("GET", "/v1/models", headers=headers)
        assert (status, found["www-authenticate"], b"canary" in data) == (401, 'Bearer, Basic realm="genai"', False)
    assert [model.id for model in server.client("canary-of-the-key").models.list()] == ["tiny"]
    with pytest.raises(openai.AuthenticationError):
        server.client("wrong").models.list()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--host", "0.0.0.0"], 2, "needs a key"),
        (["--host", "::"], 2, "needs a key"),
        (["--api-key-file", "/nonexistent"], 2, "cannot be read"),
        (["-m", "no-such-model"], 4, "unknown model"),
        (["-m", "http://127.0.0.1:1/v1"], 2, "not a model that this machine loads"),
        (["--port", "99999"], 2, "65535"),
        (["--host", "192.0.2.1", "--api-key", "x"], 7, "cannot listen"),
    ],
)
def test_what_cannot_be_served_is_said(run_main: RunMain, options: list[str], code: int, words: str) -> None:
    done = run_main("serve", *options)
    assert (done.code, words in done.stderr) == (code, True), done.stderr


def test_this_machine_s_addresses() -> None:
    for host in ("localhost", "127.0.0.1", "127.8.8.8", "::1"):
        assert is_loopback(host)
    for host in ("", "0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "example.com"):
        assert not is_loopback(host)
    with pytest.raises(InputError):
        Rules("0.0.0.0")
    rules = Rules("10.0.0.1", "key", frozenset({"proxy.example"}))
    assert rules.refuse("/v1/models", {"host": "proxy.example", "authorization": "Bearer key"}) is None
    assert rules.refuse("/v1/models", {"host": "10.0.0.1:80"}) == (401, "the API key is missing or wrong")
    assert "key" not in repr(rules)


# Many at once, and the end


def test_no_request_makes_the_server_ask_another() -> None:
    served = Served(("tiny",), True, Access(), Placing(), 1, Queue(1, 1))
    assert served.choose_model("any/name") == "any/name"
    with pytest.raises(ModelError):
        served.choose_model("http://169.254.169.254/v1#x")


def test_a_full_queue_is_said_and_places_are_given_back() -> None:
    queue = Queue(running=1, waiting=0)
    with queue.enter(), pytest.raises(BusyError), queue.enter():
        pass
    with queue.enter():
        assert queue.present == 1
    assert queue.present == 0


def test_a_client_that_goes_frees_its_place(serve: Serve, llama_chat: Path) -> None:
    server = serve("-m", llama_chat, "--at-once", "1", "--waiting", "0")
    body = {"prompt": "Hello there", "max_tokens": 240, "temperature": 0, "stream": True}
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection:
        data = json.dumps(body).encode()
        head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
        connection.sendall(head.encode() + data)
        assert b"200 OK" in connection.recv(100)
        status, headers, _ = server.ask("POST", "/v1/completions", {**body, "stream": False, "max_tokens": 3})
        if status != 200:  # the first may have ended by then
            assert (status, headers["retry-after"]) == (503, "5")
    for _ in range(1000):
        if server.ask("POST", "/v1/completions", {"prompt": "x", "max_tokens": 3, "seed": 1})[0] == 200:
            return
    raise AssertionError("its place stays taken")


def test_slow_pictures_keep_no_text_waiting(serve: Serve) -> None:
    """Another model's request is made beside them."""
    server = serve()
    text = {"prompt": "It was", "max_tokens": 3, "seed": 1}
    assert server.ask("POST", "/v1/completions", text)[0] == 200
    with ThreadPoolExecutor(1) as thread:
        pictures = thread.submit(server.ask, "POST", "/v1/images/generations", {"prompt": "a red circle", "n": 16})
        while "genai_requests_present 1" not in server.ask("GET", "/metrics")[2].decode():
            assert not pictures.done()
        assert server.ask("POST", "/v1/completions", text)[0] == 200
        assert not pictures.done()
        status, _, data = pictures.result(TIMEOUT)
    assert (status, len(json.loads(data)["data"])) == (200, 16)


def test_a_black_picture_is_an_error(serve: Serve, stable_diffusion: Path, tmp_path: Path) -> None:
    folder = zeroed(stable_diffusion, tmp_path / "black", "vae/*.safetensors", r"decoder\.conv_out\..*")
    server = serve("-m", folder)
    status, _, data = server.ask("POST", "/v1/images/generations", {"prompt": "x", "size": "64x64"})
    assert status == 500
    assert json.loads(data)["error"]["message"].startswith("the picture is a single colour")


def test_requests_are_counted(serve: Serve) -> None:
    server = serve()
    assert server.ask("POST", "/v1/completions", {"prompt": "It was", "max_tokens": 3, "seed": 1})[0] == 200
    assert server.ask("POST", "/v1/completions", {"prompt": 3})[0] == 400
    text = server.ask("GET", "/metrics")[2].decode()
    assert 'genai_requests_total{path="/v1/completions",status="200"} 1\n' in text
    assert 'genai_requests_total{path="/v1/completions",status="400"} 1\n' in text
    assert 'genai_tokens_total{kind="completion_tokens"} 3\n' in text
    assert 'genai_results_total{path="/v1/completions"} 1\n' in text
    for kind in ("request", "queue", "model"):
        (seconds,) = re.findall(rf'genai_{kind}_seconds_total{{path="/v1/completions"}} (\S+)\n', text)
        assert float(seconds) > 0 or kind == "queue"
    for process in ("server", "worker"):
        (memory,) = re.findall(rf'genai_memory_bytes{{process="{process}"}} (\d+)\n', text)
        assert int(memory) > 10_000_000
    assert "genai_requests_present 0\n" in text
    assert "It was" not in text


def test_a_signal_ends_it_when_what_runs_is_done(serve: Serve, llama_chat: Path) -> None:
    server = serve("-m", llama_chat, "--keep", "1h")
    body = {"prompt": "Hello there", "max_tokens": 100, "temperature": 0, "stream": True}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    connection.request("POST", "/v1/completions", json.dumps(body))
    answer = connection.getresponse()
    first = answer.read1(10)
    server.process.send_signal(signal.SIGTERM)
    assert (first + answer.read()).endswith(b"data: [DONE]\n\n")
    connection.close()
    stdout, stderr = server.process.communicate(timeout=TIMEOUT)
    assert (stdout, stderr) == (b"", b"")
    status = subprocess.run([COMMAND, "worker", "status", "--json"], check=True, capture_output=True).stdout
    assert json.loads(status)["ends"] - time.time() < 301


NAMES = [
    *("model", "prompt", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "n"),
    *("seed", "stop", "stream", "size", "response_format", "output_format", "logprobs", "tools", "user", "echo", "x"),
]
ROLES = ["user", "system", "assistant", "tool"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.lists(st.fixed_dictionaries({"role": st.sampled_from(ROLES), "content": VALUES}), max_size=3)


@settings(max_examples=300, deadline=None)
@given(url=st.sampled_from(sorted(list_endpoints())), body=st.dictionaries(st.sampled_from(NAMES), VALUES | MESSAGES))
def test_no_body_is_an_error_of_the_server(url: str, body: dict[str, Any]) -> None:
    """Each body is work to do, or an error that says what is wrong with it."""
    served = Served(("tiny",), False, Access(offline=True), Placing(), 1, Queue(1, 1))
    try:
        work = plan(served, url, body)
    except GenaiError as error:
        assert error.message
    else:
        assert 1 <= len(work.jobs) <= 16
