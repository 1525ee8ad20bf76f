"""Weights in half precision that load as float32."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def save_halves(model: PreTrainedModel, folder: Path) -> None:
    """Write config and float16 weights to `folder`. The config says to load them as float32."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    config = folder / "config.json"
    fields = json.loads(config.read_text(encoding="utf-8")) | {"dtype": "float32"}
    for part in fields.values():
        if isinstance(part, dict) and "dtype" in part:
            part["dtype"] = "float32"
    config.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


def make_readable(folder: Path) -> None:
    """Let everybody read the files: safetensors writes them for their owner only."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)


def megabytes(folder: Path) -> float:
    """The size of a folder in MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
