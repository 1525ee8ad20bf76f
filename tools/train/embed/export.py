"""Exports the student to a folder in the layout of sentence-transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tools.train.embed.teacher import MAX_TOKENS
from tools.train.embed.training import WIDTH
from tools.train.shared.halves import make_readable, save_halves

if TYPE_CHECKING:
    from transformers import BertModel, PreTrainedTokenizerBase

MODULES = (("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize"))
POOLING = {
    "word_embedding_dimension": WIDTH,
    "pooling_mode_cls_token": False,
    "pooling_mode_mean_tokens": True,
    "pooling_mode_max_tokens": False,
    "pooling_mode_mean_sqrt_len_tokens": False,
    "pooling_mode_weightedmean_tokens": False,
    "pooling_mode_lasttoken": False,
    "include_prompt": True,
}


def export(model: BertModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write float16 weights, tokenizer and the modules' files. It replaces the folder's old content at the end."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    save_halves(_with_pooler(model), partial)
    tokenizer.save_pretrained(partial)
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(MODULES)
    ]
    for path, _ in MODULES:
        (partial / path).mkdir(exist_ok=True)
    _write(partial / "modules.json", modules)
    _write(partial / "1_Pooling" / "config.json", POOLING)
    _write(partial / "sentence_bert_config.json", {"max_seq_length": 2 * MAX_TOKENS, "do_lower_case": False})
    _write(
        partial / "config_sentence_transformers.json",
        {"prompts": {}, "default_prompt_name": None, "similarity_fn_name": "cosine"},
    )
    (partial / "2_Normalize" / "README.md").write_text("Vectors are brought to length 1. This step has no settings.\n")
    make_readable(partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _with_pooler(model: BertModel) -> BertModel:
    """The model with a pooler of zeros. Nobody uses it, but programs that load a BERT expect its weights."""
    whole = type(model)(model.config)
    whole.load_state_dict(model.state_dict(), strict=False)
    for parameter in whole.pooler.parameters():
        parameter.data.zero_()
    return whole


def _write(path: Path, fields: object) -> None:
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
