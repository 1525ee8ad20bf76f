"""What the options of a run mean where servers are the models: which are refused, and who gets the key."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from genai_cli.cli.command import Given
from genai_cli.errors import InputError
from genai_cli.hub.address import is_address, parse_address, share_origin
from genai_cli.request.option import MODEL, Option
from genai_cli.work.engines.server_key import ServerKey

# What these options set is the server's own business; set in the environment or the settings, they are for others.
MEANINGLESS = {
    **{name: f"--{name}" for name in ("device", "dtype", "variant", "keep")},
    "compile": "--compile",
    "compiler": "--compiler",
    "batch_size": "--batch-size",
}


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """What a server wants to see."""

    heading: ClassVar[str] = MODEL

    api_key_file: Annotated[
        Path | None,
        Option(
            "--api-key-file",
            metavar="FILE",
            help="The key of a server that is the model.",
            default="the variable GENAI_API_KEY",
        ),
    ] = None


@dataclass(frozen=True)
class ServerUse:
    """The options of a command that concern servers: the key's file, the model that the user names, what was named."""

    api_key_file: Path | None
    model: str | None
    named: frozenset[str]
    """The fields that were set on the command line itself."""

    @classmethod
    def read(cls, given: Given) -> "ServerUse":
        """As a command was given them."""
        model = given.values.get("model")
        file = given.read(ServerOptions).api_key_file
        return cls(file, str(model) if model else None, frozenset(given.named))

    def check(self, models: Collection[str]) -> None:
        """Raise InputError for an option that means nothing for any of the models, as all of them are servers'."""
        if not models or not all(map(is_address, models)):
            return
        for name, option in MEANINGLESS.items():
            if name in self.named:
                hint = "--workers N makes so many calls at once" if name == "batch_size" else "leave it out"
                raise InputError(f"{option} does not work with a server as the model", hint=hint)

    def choose_key(self, models: Collection[str]) -> ServerKey | None:
        """The key, for the server that the user names. Raises InputError.

        An address in a row or a record may be anyone's: it gets the key where -m names its host too, or where
        --api-key-file is given for this one server.
        """
        if self.model is not None and is_address(self.model):
            address = parse_address(self.model).server
            return ServerKey.read(self.api_key_file, str(address))
        if self.api_key_file is None or "api_key_file" not in self.named:
            return None
        servers = [str(parse_address(model).server) for model in models if is_address(model)]
        if not servers or not all(share_origin(server, servers[0]) for server in servers):
            what = "there is no server" if not servers else "there are several servers"
            raise InputError(f"--api-key-file: {what} to get the key", hint="-m http://HOST:PORT/v1 names the server")
        return ServerKey.read(self.api_key_file, servers[0])
