"""Exports trained weights to the folder that ships: fp16, with tokenizer and generation defaults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import GenerationConfig

from tools.train.text.vocabulary import save_tokenizer

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast


def export(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write config, generation config, fp16 weights and tokenizer to `folder`. They are loaded as float32."""
    folder.mkdir(parents=True, exist_ok=True)
    end = tokenizer.eos_token_id
    model.generation_config = GenerationConfig(
        do_sample=True, temperature=0.7, top_p=0.95, bos_token_id=end, eos_token_id=end, pad_token_id=end
    )
    model.half().save_pretrained(folder)
    config = folder / "config.json"
    fields = json.loads(config.read_text(encoding="utf-8")) | {"dtype": "float32"}
    config.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
    save_tokenizer(tokenizer, folder)
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors files are readable only by their owner
