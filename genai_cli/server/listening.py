"""How the server listens: its socket, and how long it waits for a client that sends or reads slowly, or has gone.

A head must come within a time, and what is sent must be taken; `read_body` bounds the body. The system finds out about
a host that has gone without a word. So whatever a client does, its connection ends and its place is free again.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from genai_cli.errors import DeviceError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

BACKLOG = 128  # connections that may wait to be accepted
ENDING = 60  # seconds for what runs when a signal comes
LOOKS = 10  # how often a bound is looked at before it is reached
CONNECTION = "connection"  # under which a scope's state has the connection


@dataclass(frozen=True)
class Patience:
    """For how many seconds a client is waited for."""

    head: float = 20
    """Until the whole head of a request has come, after the connection was made or the last request ended."""
    body: float = 30
    """Until the whole body has come, and a second more for each `rate` bytes of it."""
    rate: float = 10_000
    read: float = 60
    """For it to take anything of what is sent to it; the system's own buffer takes some of it in large steps."""
    idle: int = 15
    """For the next request on a connection."""
    gone: int = 30
    """Without a sign of its host, before the system asks whether it is still there."""


class PatientProtocol(H11Protocol):
    """A connection that ends where its client keeps it waiting."""

    def __init__(self, patience: Patience, most: int, app_state: dict[str, Any], **more: Any) -> None:
        super().__init__(app_state={**app_state, CONNECTION: self}, **more)
        self.patience = patience
        self.most = most
        self.waits_since: float | None = None
        """Since when it waits for a head; None while a request is answered."""
        self.unsent = 0
        self.moved = 0.0
        """When the client last took something of what is sent to it, or had taken all."""
        self.look_again: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.wait()
        self.look()
        if len(self.connections) > self.most:
            self.drop_one()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.look_again is not None:
            self.look_again.cancel()
        super().connection_lost(exc)

    def wait(self) -> None:
        """A head is waited for from now on."""
        self.waits_since = self.loop.time()

    def drop_one(self) -> None:
        """End the connection that has waited longest for a request, so that one that has something to ask gets in."""
        waiting = [one for one in self.connections if isinstance(one, PatientProtocol) and one.waits_since is not None]
        if waiting:
            min(waiting, key=lambda one: one.waits_since or 0).transport.abort()

    def look(self) -> None:
        """End the connection where the client takes too long."""
        now, size = self.loop.time(), self.transport.get_write_buffer_size()
        if not size or size < self.unsent:
            self.moved = now
        self.unsent = size
        is_late = not size and self.waits_since is not None and now - self.waits_since > self.patience.head
        if is_late or now - self.moved > self.patience.read:
            self.transport.abort()
            return
        bound = min(self.patience.head, self.patience.read)
        self.look_again = self.loop.call_later(bound / LOOKS, self.look)


class Answering:
    """The ASGI layer that tells a connection when a request is being answered."""

    def __init__(self, app: "ASGIApp") -> None:
        self.app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        connection = scope.get("state", {}).pop(CONNECTION, None)
        if connection is not None:
            connection.waits_since = None
        try:
            await self.app(scope, receive, send)
        finally:
            if connection is not None:
                connection.wait()


def open_listener(host: str, port: int, patience: Patience) -> socket.socket:
    """A socket that listens; what it accepts is asked whether it is still there. Raises DeviceError."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # As far as the system has them, in seconds but for the last: a connection takes them over from the listener.
    steps = {"TCP_KEEPIDLE": patience.gone, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}
    for name, value in steps.items():
        if hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        what = f"cannot listen on {host}:{port}: {error.strerror or error}"
        raise DeviceError(what, hint="--port names another port, 0 a free one") from None
    return listener


def make_server(app: "ASGIApp", patience: Patience, most: int) -> Server:
    """A server for the app, with at most so many connections. `run(sockets=[listener])` serves until a signal."""
    protocol: Callable[..., asyncio.Protocol] = partial(PatientProtocol, patience, most)
    config = Config(
        Answering(app),
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        log_level="error",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=patience.idle,
        timeout_graceful_shutdown=ENDING,
    )
    return Server(config)
