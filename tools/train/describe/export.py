"""Exports the networks to a folder that BlipForConditionalGeneration and BlipProcessor can load."""

from __future__ import annotations

import shutil
from pathlib import Path

from transformers import BlipForConditionalGeneration, BlipProcessor
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from tools.train.describe.tokens import build_tokenizer
from tools.train.describe.training import MEAN, STD
from tools.train.image.drawing import IMAGE_SIZE
from tools.train.shared.halves import make_readable, save_halves

MAX_NEW_TOKENS = 30


def export(model: BlipForConditionalGeneration, folder: Path) -> None:
    """Write config, float16 weights and processor. It replaces the folder's old content at the end."""
    tokenizer = build_tokenizer()
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.generation_config.max_new_tokens = MAX_NEW_TOKENS
    model.generation_config.bos_token_id = tokenizer.bos_token_id
    model.generation_config.eos_token_id = tokenizer.sep_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    save_halves(model, partial)
    pictures = BlipImageProcessorPil(
        size={"height": IMAGE_SIZE, "width": IMAGE_SIZE}, image_mean=MEAN, image_std=STD, do_convert_rgb=True
    )
    BlipProcessor(pictures, tokenizer).save_pretrained(partial)
    make_readable(partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
