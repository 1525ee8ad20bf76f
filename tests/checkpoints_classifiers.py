"""Checkpoints of text classifiers of many classes, small and with seeded random weights, in the layout of real ones."""

from pathlib import Path
from typing import Any

import torch
import transformers
from checkpoint_parts import byte_level_tokenizer, byte_pairs, save_model, write_card, write_json
from tokenizers import processors

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]  # RoBERTa's first tokens, in its order
TRANSFORMER = {"n_embd": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.3}
SEQ2SEQ = {
    "d_model": 32,
    **{f"{side}_{part}": size for side in ("encoder", "decoder") for part, size in (("layers", 1), ("ffn_dim", 32))},
    **{f"{side}_attention_heads": 4 for side in ("encoder", "decoder")},
    "init_std": 0.3,
}


def write_tokenizer(folder: Path, length: int | None, marks: bool) -> int:
    """A byte-level tokenizer as tokenizer.json; `marks` puts <s> and </s> around a text. Returns its size.

    Many real ones state no length, and the library then takes 10^30 for it.
    """
    found, merges = byte_pairs([])
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *found])}
    tokenizer = byte_level_tokenizer(vocabulary, merges, SPECIAL)
    if marks:
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"} | ({"pad_token": "<pad>"} if marks else {})
    stated = {} if length is None else {"model_max_length": length}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"} | tokens | stated)
    return len(vocabulary)


def build_classifier(folder: Path, kind: str, length: int | None = None, marks: bool = True, **settings: Any) -> Path:
    """A classifier by the start of its class's name ("Roberta"), with the settings of its configuration."""
    torch.manual_seed(0)
    vocabulary = write_tokenizer(folder, length, marks)
    config = getattr(transformers, f"{kind}Config")(vocab_size=vocabulary, **settings)
    save_model(getattr(transformers, f"{kind}ForSequenceClassification")(config), folder)
    write_card(folder, "mit", "text-classification", "transformers")
    return folder
