"""Who may ask the server, and for how much: the key, the names it answers to, and the size of a body.

A web page that a user visits can send requests to this machine. Browsers put the page's address into Origin, and the
name that they looked up into Host; neither may be a stranger's.
"""

import base64
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from genai_cli.errors import InputError
from genai_cli.server.pages import is_open

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = "localhost"
MOST_BYTES = 10_000_000  # of a body


@dataclass(frozen=True)
class Rules:
    """The key that requests need (None: none), and the hosts and origins that they may name, beside this machine's."""

    host: str
    key: str | None = field(default=None, repr=False)
    names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and not self.key:
            hint = "--api-key-file FILE, or GENAI_API_KEY; without a key it listens on 127.0.0.1"
            raise InputError(f"--host {self.host} is open to other machines and needs a key", hint=hint)

    def refuse(self, path: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """The status and the reason with which a request is refused; None for one that may go on."""
        if not self.knows(headers.get("host", "")):
            return 403, "this server does not answer to that Host"
        origin = headers.get("origin")
        if origin is not None and not self.knows(urlsplit(origin).netloc):
            return 403, "pages of that Origin may not use this server"
        if self.key and not is_open(path) and not self.has_key(headers.get("authorization", "")):
            return 401, "the API key is missing or wrong"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            return 413, f"a body has at most {MOST_BYTES} bytes"
        return None

    def knows(self, host: str) -> bool:
        """Whether a host with its port is this server's."""
        name = urlsplit(f"//{host}").hostname or ""
        return is_loopback(name) or name in {self.host, *self.names}

    def has_key(self, authorization: str) -> bool:
        """Whether the header carries the key; the time taken tells nothing about it.

        Programs send it as a bearer's token (RFC 6750), browsers as a password (RFC 7617).
        """
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                key = base64.b64decode(key, validate=True).decode().partition(":")[2]
            except ValueError:
                return False
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(key.encode(), (self.key or "").encode())


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    try:
        return host == LOOPBACK or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """The ASGI layer that refuses what the rules do not let through."""

    def __init__(self, app: "ASGIApp", rules: Rules) -> None:
        self.app = app
        self.rules = rules

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self.rules.refuse(scope["path"], headers)
        if refused is None:
            await self.app(scope, receive, send)
            return
        from genai_cli.server.failures import answer_error

        status, reason = refused
        await answer_error(status, reason)(scope, receive, send)
