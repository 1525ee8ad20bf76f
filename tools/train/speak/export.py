"""Exports the trained weights to the folder that ships: fp16, with its tokenizer."""

from __future__ import annotations

from pathlib import Path

from tools.train.shared.averaged import load_trained
from tools.train.shared.halves import make_readable, save_halves
from tools.train.speak.networks import build_tokenizer
from tools.train.speak.training import Student


def export(checkpoint: Path, folder: Path) -> None:
    """Write the averaged voice of the checkpoint to `folder`. It is loaded as float32. Raises FileNotFoundError."""
    student = Student()
    load_trained(student, checkpoint)
    save_halves(student.voice, folder)
    build_tokenizer(folder).save_pretrained(folder)
    make_readable(folder)
