"""Reading a checkpoint's small files."""

from pathlib import Path

from genai_cli.hub.storage import read_json
from genai_cli.types import JsonObject


def read_optional_json(path: Path) -> JsonObject:
    """A JSON object from a checkpoint's file, or {} if it does not have the file. Raises DamagedError."""
    return read_json(path.parent, path.name) if path.is_file() else {}
