"""Reading a checkpoint's small files."""

import json
from pathlib import Path

from genai_cli.types import JsonObject


def read_optional_json(path: Path) -> JsonObject:
    """A JSON object from a checkpoint's file, or {} if the checkpoint does not have the file."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
