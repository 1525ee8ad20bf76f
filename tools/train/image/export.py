"""Exports the trained networks to a folder that StableDiffusionPipeline can load."""

import copy
import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from transformers import CLIPTokenizer

from tools.train.image.denoiser import Conditioned, build_scheduler
from tools.train.image.tokens import save_tokenizer

STEPS = 20
# Tested on held-out combinations: shape and pairs get worse from 1.5 to 2, 3.5 and 6.
GUIDANCE_SCALE = 1.5
EDITS = {"strength": 0.8, "guidance_scale": 3.0}  # of 24 edits of shape or colour all come out as asked for


def export_pipeline(folder: Path, autoencoder: AutoencoderKL, tokenizer: CLIPTokenizer, networks: Conditioned) -> None:
    """Write the pipeline in float16 safetensors. It replaces the folder's old content in one step at the end."""
    pipeline = StableDiffusionPipeline(
        vae=copy.deepcopy(autoencoder),
        text_encoder=copy.deepcopy(networks.text_encoder),
        tokenizer=tokenizer,
        unet=copy.deepcopy(networks.denoiser),
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    pipeline.to(dtype=torch.float16).save_pretrained(partial)
    save_tokenizer(tokenizer, partial / "tokenizer")
    _declare_float32(partial / "text_encoder" / "config.json")
    defaults = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE_SCALE, "image_to_image": EDITS}
    (partial / "generation_config.json").write_text(json.dumps(defaults, indent=2) + "\n", encoding="utf-8")
    for path in partial.rglob("*.safetensors"):
        path.chmod(0o644)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _declare_float32(path: Path) -> None:
    """Declare float32 in a model's config, so that its float16 file loads as float32 by default."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_pipeline(folder: Path) -> StableDiffusionPipeline:
    """The exported pipeline, computing in float32."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
