"""The key of a server: where it comes from, and which server gets it."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from genai_cli.errors import InputError
from genai_cli.hub.address import share_origin

VARIABLE = "GENAI_API_KEY"
LARGEST = 10_000  # bytes of a file that holds a key
# What may stand in a header: another character would make the HTTP library fail with a message that quotes the key.
KEY = re.compile(r"[\x21-\x7e]+")
HIDDEN = "***"


@dataclass(frozen=True)
class ServerKey:
    """A key, for the scheme, host and port of one address and for no other."""

    value: str = field(repr=False)
    address: str

    @classmethod
    def read(cls, file: Path | None, address: str) -> Self | None:
        """The key in a file, else in the environment; None where there is none. Raises InputError."""
        text, source = os.environ.get(VARIABLE, ""), VARIABLE
        if file is not None:
            source = f"--api-key-file {file}"
            try:
                with file.expanduser().open("rb") as stream:
                    text = stream.read(LARGEST).decode("utf-8", errors="replace")
            except OSError as error:
                raise InputError(f"{source} cannot be read: {error.strerror or error}") from None
        value = text.strip()
        if not value and file is None:
            return None
        if not KEY.fullmatch(value):
            raise InputError(f"{source} holds no key", hint="a key is one line without spaces")
        return cls(value, address)

    def select(self, address: str) -> str | None:
        """The key for an address, or None where it is of another server."""
        return self.value if share_origin(self.address, address) else None


def hide(text: str, key: str | None) -> str:
    """A text of a server without the key, which it may repeat."""
    return text.replace(key, HIDDEN) if key else text
