"""Exports the network to a folder that AutoModelForObjectDetection and AutoImageProcessor can load."""

from __future__ import annotations

import shutil
from pathlib import Path

from transformers import RTDetrForObjectDetection
from transformers.models.rt_detr.image_processing_pil_rt_detr import RTDetrImageProcessorPil

from tools.train.detect.scenes import SIDE
from tools.train.detect.training import MEAN, STD
from tools.train.shared.halves import make_readable, save_halves


def export(model: RTDetrForObjectDetection, folder: Path) -> None:
    """Write config, float16 weights and picture processor. It replaces the folder's old content at the end."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    save_halves(model, partial)
    RTDetrImageProcessorPil(
        size={"height": SIDE, "width": SIDE}, do_normalize=True, image_mean=MEAN, image_std=STD
    ).save_pretrained(partial)
    make_readable(partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
