"""Stable Diffusion XL at full size, as its fp16 files: built from the configurations of genai's layouts."""

import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

import genai_cli

LAYOUTS = Path(genai_cli.__file__).parent / "layouts"
MODELS = {"text_encoder": "CLIPTextModel", "text_encoder_2": "CLIPTextModelWithProjection"}
CONTRAST = 4  # genai refuses pictures of a single colour


def build(folder: Path) -> None:
    """Write the checkpoint. Only one component at a time is in memory."""
    layout = LAYOUTS / "sdxl"
    shutil.copytree(layout, folder, dirs_exist_ok=True)
    for name in ("tokenizer", "tokenizer_2"):
        for file in ("vocab.json", "merges.txt"):
            shutil.copy(LAYOUTS / "clip" / file, folder / name / file)
        own = json.loads((folder / name / "tokenizer_config.json").read_text(encoding="utf-8"))
        shared = json.loads((LAYOUTS / "clip" / "tokenizer_config.json").read_text(encoding="utf-8"))
        (folder / name / "tokenizer_config.json").write_text(json.dumps(shared | own), encoding="utf-8")
    for name, class_name in MODELS.items():
        config = transformers.CLIPTextConfig.from_pretrained(layout / name)
        save(getattr(transformers, class_name)(config), folder / name)
    save(build_model("UNet2DConditionModel", layout / "unet"), folder / "unet")
    vae = build_model("AutoencoderKL", layout / "vae")
    vae.decoder.conv_out.weight.mul_(CONTRAST)
    save(vae, folder / "vae")


def build_model(class_name: str, layout: Path) -> Any:
    """A model of diffusers with random weights."""
    model_class = getattr(diffusers, class_name)
    return model_class.from_config(model_class.load_config(layout))


def save(model: "torch.nn.Module", folder: Path) -> None:
    """Save a component's weights as the fp16 variant."""
    model.eval().half().save_pretrained(folder, variant="fp16")
