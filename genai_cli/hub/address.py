"""The address of a server as a model: `http://host:port/v1#name`. Nothing here asks the server."""

import re
import unicodedata
from urllib.parse import SplitResult, urlsplit

from genai_cli.errors import InputError
from genai_cli.hub.environment import read_origin
from genai_cli.hub.reference import ModelReference

EXAMPLE = "http://HOST:PORT/v1#NAME"
ADDRESS = re.compile(r"https?://", re.IGNORECASE)


def is_address(name: str) -> bool:
    """Whether a model's name is the address of a server."""
    return ADDRESS.match(name) is not None


def refuse_address(name: str) -> None:
    """Raise InputError for an address where only models of this machine will do."""
    if is_address(name):
        raise InputError(f"{EXAMPLE} is not a model that this machine loads", hint="name a model, or a folder")


def parse_address(name: str) -> ModelReference:
    """The model of a server, named or not. Raises InputError, whose message holds no password that the address has."""
    address, _, served = name.partition("#")
    if any(character.isspace() or unicodedata.category(character) == "Cc" for character in name):
        raise InputError("the server's address holds a space or a control character", hint=f"-m {EXAMPLE}")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:  # a port that is not a number, a broken bracket
        raise InputError("the server's address is not well formed", hint=f"-m {EXAMPLE}") from None
    if "@" in parts.netloc:
        raise InputError(
            "an address with a user and a password is not taken: a record would hold it",
            hint="GENAI_API_KEY or --api-key-file holds the key of a server",
        )
    if not parts.hostname or parts.query or "?" in address:
        what = "names no host" if not parts.hostname else "has a query, which may hold a secret"
        raise InputError(f"the server's address {what}", hint=f"-m {EXAMPLE}")
    server = join_address(parts, port)
    if not parts.path.strip("/"):
        raise InputError(f"{server} names no path", hint=f"most servers answer below /v1: {server}/v1")
    return ModelReference(f"{server}#{served}" if served else server, server=server, served=served or None)


def join_address(parts: SplitResult, port: int | None) -> str:
    """An address in one spelling, so that a model has one name."""
    host = (parts.hostname or "").lower()
    shown = f"[{host}]" if ":" in host else host
    place = shown if port is None else f"{shown}:{port}"
    return f"{parts.scheme.lower()}://{place}{parts.path.rstrip('/')}"


def name_served(server: str, served: str) -> ModelReference:
    """The reference to a model of a server by its name there."""
    return ModelReference(f"{server}#{served}", server=server, served=served)


def share_origin(one: str, other: str) -> bool:
    """Whether two addresses are of the same scheme, host and port."""
    return read_origin(one) == read_origin(other)
