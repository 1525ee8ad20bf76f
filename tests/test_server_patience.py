"""Clients that send slowly, read slowly, or have gone: each is let go after a bounded time, and holds no place."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from conftest import TIMEOUT, RunningServer

pytest.importorskip("uvicorn")
from genai_cli.device.spec import Placing
from genai_cli.hub.access import Access
from genai_cli.server.answering import Queue, Served
from genai_cli.server.app import build_app
from genai_cli.server.guard import Rules
from genai_cli.server.listening import Patience, make_server, open_listener

SHORT = Patience(head=0.4, body=0.4, rate=1e6, read=0.4)
HEAD = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
QUEUE = Queue(1, 0)


@contextmanager
def serving(app: Any, patience: Patience, most: int = 100) -> Iterator[int]:
    """The app on a port of this process, with a server as `genai serve` has it."""
    listener = open_listener("127.0.0.1", 0, patience)
    server = make_server(app, patience, most)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(TIMEOUT)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server without patience, with a queue of one place, which needs no model for these tests."""
    served = Served(("tiny",), False, Access(offline=True), Placing(), 1, QUEUE)
    with serving(build_app(served, Rules("127.0.0.1"), SHORT), SHORT) as port:
        yield port


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)


def read_all(connection: socket.socket) -> bytes:
    """What comes until the server hangs up."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


@pytest.mark.parametrize("begun", [b"", b"P", HEAD, HEAD + b"X-Slow: "])
def test_a_head_that_does_not_end_is_not_waited_for(port: int, begun: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(begun)
        assert read_all(connection) == b""


def test_a_head_that_comes_byte_by_byte_is_not_waited_for(port: int) -> None:
    with connect(port) as connection:
        assert not keep_sending(connection, b"X-Slow: 1\r\n", HEAD)


def test_a_head_after_an_answer_is_not_waited_for(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea")
        assert read_all(connection).count(b"200 OK") == 1


@pytest.mark.parametrize("length", [b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"])
def test_a_body_that_does_not_come_is_answered_with_408(port: int, length: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(HEAD + length)
        answer = read_all(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"408 Request Timeout" in head
    assert b"connection: close" in head.lower()
    assert json.loads(body)["error"]["message"] == "the body takes too long"
    assert QUEUE.present == 0


def test_a_body_that_comes_byte_by_byte_is_not_waited_for(port: int) -> None:
    with connect(port) as connection:
        answer = keep_sending(connection, b" ", HEAD + b"Content-Length: 1000000\r\n\r\n")
        assert b"408 Request Timeout" in answer


def test_a_body_that_is_refused_at_once_is_not_read_for_ever(port: int) -> None:
    with connect(port) as connection:
        evil = HEAD.replace(b"localhost", b"evil.example") + b"Content-Length: 1000000\r\n\r\n"
        assert b"403 Forbidden" in keep_sending(connection, b" ", evil)


def keep_sending(connection: socket.socket, piece: bytes, begin: bytes) -> bytes:
    """What the server says until it hangs up on a client that sends a piece whenever it hears nothing for a while."""
    data = b""
    connection.sendall(begin)
    connection.settimeout(0.05)
    for _ in range(1000):
        try:
            connection.sendall(piece)
            heard = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return data
        if not heard:
            return data
        data += heard
    raise AssertionError("the server goes on listening")


def test_half_of_a_connection_is_none(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(HEAD + b"Content-Length: 10\r\n\r\n{")
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b""


def test_a_slow_body_that_moves_is_waited_for() -> None:
    """Each piece gives it more time: 20 pieces of a tenth of a second are five times the bound."""
    served = Served(("tiny",), False, Access(offline=True), Placing(), 1, Queue(1, 0))
    patience = Patience(head=5, body=0.4, rate=10_000, read=5)
    with serving(build_app(served, Rules("127.0.0.1"), patience), patience) as port, connect(port) as connection:
        connection.sendall(HEAD + b"Content-Length: 80001\r\n\r\n")
        connection.settimeout(0.1)
        for _ in range(20):
            connection.sendall(b" " * 4000)
            with pytest.raises(TimeoutError):
                connection.recv(1000)
        connection.settimeout(TIMEOUT)
        connection.sendall(b" ")
        assert b"400 Bad Request" in connection.recv(1000)  # and not 408


def pour(size: int, gone: threading.Event) -> Callable[..., Any]:
    """An app whose answer is so long; it tells when its client has gone."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(size), "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    return app


def test_a_client_that_reads_nothing_is_let_go() -> None:
    gone = threading.Event()
    with serving(pour(50_000_000, gone), SHORT) as port, connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert gone.wait(TIMEOUT)
        assert len(read_all(connection)) < 50_000_000


def test_idle_connections_do_not_keep_others_out(port: int) -> None:
    served = Served(("tiny",), False, Access(offline=True), Placing(), 1, Queue(1, 0))
    patience = Patience(head=60)
    with serving(build_app(served, Rules("127.0.0.1"), patience), patience, most=3) as crowded:
        idle = [connect(crowded) for _ in range(6)]
        with closing(connect(crowded)) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200 OK" in connection.recv(1000)
        assert read_all(idle[0]) == b""  # the oldest went
        for connection in idle:
            connection.close()


def test_the_system_asks_whether_a_silent_host_is_there() -> None:
    with open_listener("127.0.0.1", 0, Patience(gone=7)) as listener, connect(listener.getsockname()[1]):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            if hasattr(socket, "TCP_KEEPIDLE"):
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7


def test_the_real_server_says_nothing_of_clients_that_leave(one_server: RunningServer) -> None:
    """No traceback on stderr, which the fixture looks at in the end."""
    for begun in (b"", b"P", HEAD + b"Content-Length: 10\r\n\r\n{", HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n"):
        with connect(one_server.port) as connection:
            connection.sendall(begun)
    assert one_server.ask("GET", "/health")[0] == 200
