"""Exports the trained weights to the folder that ships: fp16, with tokenizer, features and generation defaults."""

from __future__ import annotations

import json
from pathlib import Path

from transformers import WhisperProcessor

from tools.train.shared.checkpoint import load_checkpoint
from tools.train.transcribe.networks import build_model, generation_config
from tools.train.transcribe.sound import feature_extractor
from tools.train.transcribe.tokens import build_tokenizer


def export(work: Path, folder: Path) -> None:
    """Write the average of the checkpoint in `work` to `folder`. It is loaded as float32."""
    state = load_checkpoint(work / "model.pt")
    if state is None:
        raise FileNotFoundError(f"{work / 'model.pt'}: train first")
    folder.mkdir(parents=True, exist_ok=True)
    model = build_model()
    model.load_state_dict(state["average"])
    model.generation_config = generation_config()
    model.half().save_pretrained(folder)
    config = folder / "config.json"
    fields = json.loads(config.read_text(encoding="utf-8")) | {"dtype": "float32"}
    config.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    WhisperProcessor(feature_extractor(), build_tokenizer()).save_pretrained(folder)
    for path in folder.iterdir():
        path.chmod(0o644)
