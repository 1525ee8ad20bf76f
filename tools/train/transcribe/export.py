"""Exports the trained weights to the folder that ships: fp16, with tokenizer and features."""

from __future__ import annotations

from pathlib import Path

from transformers import ParakeetProcessor

from tools.train.shared.averaged import load_trained
from tools.train.shared.halves import make_readable, save_halves
from tools.train.transcribe.networks import build_model
from tools.train.transcribe.sound import feature_extractor
from tools.train.transcribe.tokens import BLANK, build_tokenizer


def export(work: Path, folder: Path) -> None:
    """Write the average of the checkpoint in `work` to `folder`. It is loaded as float32. Raises FileNotFoundError."""
    model = build_model()
    load_trained(model, work / "model.pt")
    save_halves(model, folder)
    ParakeetProcessor(feature_extractor(), build_tokenizer(), blank_token=BLANK, decoder_type="ctc").save_pretrained(
        folder
    )
    make_readable(folder)
