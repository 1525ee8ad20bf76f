"""Text as plain UTF-8; its record stands beside it, since a text file has no place for one."""

import hashlib
from dataclasses import dataclass

from genai_cli.output.record import Record


@dataclass(frozen=True)
class Text:
    """A text, exact."""

    text: str

    def sha256(self) -> str:
        """Of the text as UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def encode(self, record: Record, suffix: str) -> bytes:
        """The file's bytes: the text, ended by a newline."""
        del record, suffix
        return (self.text if self.text.endswith("\n") else self.text + "\n").encode()
