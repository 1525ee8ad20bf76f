"""Figures that were measured on this machine, kept in the user's cache folder: one JSON file for each kind of them."""

import json
from collections.abc import Mapping
from pathlib import Path

from genai_cli.atomic import make_process_tag, replace_file
from genai_cli.types import JsonObject


def find_figures_file(name: str) -> Path:
    """The file of a kind of figures."""
    from platformdirs import user_cache_path

    return user_cache_path("genai") / name


def read_figures(file: Path) -> JsonObject:
    """All figures in a file, by their keys; empty where the file is missing or broken."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def keep_figure(file: Path, key: str, figure: Mapping[str, object]) -> bool:
    """Keep figures under a key, in one atomic step. False where the folder cannot be written."""
    content = json.dumps(read_figures(file) | {key: dict(figure)}, indent=1)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, content.encode(), make_process_tag())
    except OSError:
        return False
    return True
