"""Exports trained weights to the folder that ships: calibrated, fp16, with tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tools.train.classify.data import Sentence

if TYPE_CHECKING:
    from transformers import DistilBertForSequenceClassification, PreTrainedTokenizerBase


@torch.no_grad()
def calibrate(
    model: DistilBertForSequenceClassification, tokenizer: PreTrainedTokenizerBase, held_back: list[Sentence]
) -> float:
    """Find the temperature that fits `held_back` best (Guo et al., 2017), fold it into the last layer and return it."""
    inputs = tokenizer([s.text for s in held_back], padding=True, truncation=True, return_tensors="pt")
    logits = model(**inputs).logits
    labels = torch.tensor([sentence.label for sentence in held_back])
    candidates = torch.logspace(-1, 1, 201)
    losses = torch.stack([torch.nn.functional.cross_entropy(logits / t, labels) for t in candidates])
    temperature = candidates[losses.argmin()].item()
    model.classifier.weight /= temperature
    model.classifier.bias /= temperature
    return temperature


def export(model: DistilBertForSequenceClassification, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write config, fp16 weights and tokenizer to `folder`. The config says to load them as float32."""
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder)
    config = folder / "config.json"
    fields = json.loads(config.read_text(encoding="utf-8")) | {"dtype": "float32"}
    config.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    tokenizer.save_pretrained(folder)
    words = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in words), encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors files are readable only by their owner
