"""Writes genai_cli/layouts: the configurations of Stable Diffusion 1.x, 2.x and XL, and CLIP's tokenizer.

    pip download --no-deps open_clip_torch==3.3.0
    python -m tools.layouts open_clip_torch-3.3.0-py3-none-any.whl

A single file holds weights alone. The shapes are those of the releases, as diffusers' documentation states them:
https://huggingface.co/docs/diffusers/api/pipelines/stable_diffusion/overview. The vocabulary is OpenAI's
(`bpe_simple_vocab_16e6.txt.gz`, MIT), which open_clip ships: https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py
"""

import argparse
import gzip
import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import genai_cli

FOLDER = Path(genai_cli.__file__).parent / "layouts"
VOCABULARY = "open_clip/bpe_simple_vocab_16e6.txt.gz"
MERGES = 49152 - 256 - 2  # the pairs that CLIP uses of the list, which is longer
START, END = "<|startoftext|>", "<|endoftext|>"

DIFFUSION = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
LATENT = {"clip_sample": False, "steps_offset": 1, "set_alpha_to_one": False, "trained_betas": None}
UNET = {
    "_class_name": "UNet2DConditionModel",
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "act_fn": "silu",
}
FOUR_LEVELS = {
    "block_out_channels": [320, 640, 1280, 1280],
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
}
VAE = {
    "_class_name": "AutoencoderKL",
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
CLIP = {
    "model_type": "clip_text_model",
    "vocab_size": 49408,
    "max_position_embeddings": 77,
    "layer_norm_eps": 1e-5,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
}
CLIP_L = CLIP | {
    "architectures": ["CLIPTextModel"],
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
}
CLIP_H = CLIP | {
    "architectures": ["CLIPTextModel"],
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 23,
    "projection_dim": 512,
    "hidden_act": "gelu",
}
CLIP_G = CLIP | {
    "architectures": ["CLIPTextModelWithProjection"],
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "projection_dim": 1280,
    "hidden_act": "gelu",
}
STABLE_DIFFUSION = {
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "safety_checker": [None, None],
    "requires_safety_checker": False,
}
LAYOUTS: dict[str, dict[str, dict[str, Any]]] = {
    "sd1": {
        "model_index.json": {"_class_name": "StableDiffusionPipeline", **STABLE_DIFFUSION},
        "scheduler/scheduler_config.json": {
            "_class_name": "PNDMScheduler",
            **DIFFUSION,
            **LATENT,
            "skip_prk_steps": True,
        },
        "text_encoder/config.json": CLIP_L,
        "tokenizer/tokenizer_config.json": {"pad_token": END},
        "unet/config.json": UNET
        | FOUR_LEVELS
        | {"cross_attention_dim": 768, "attention_head_dim": 8, "sample_size": 64},
        "vae/config.json": VAE | {"sample_size": 512, "scaling_factor": 0.18215},
    },
    "sd2": {
        "model_index.json": {
            "_class_name": "StableDiffusionPipeline",
            **STABLE_DIFFUSION,
            "scheduler": ["diffusers", "DDIMScheduler"],
        },
        "scheduler/scheduler_config.json": {
            "_class_name": "DDIMScheduler",
            **DIFFUSION,
            **LATENT,
            "prediction_type": "v_prediction",
            "skip_prk_steps": True,
        },
        "text_encoder/config.json": CLIP_H,
        "tokenizer/tokenizer_config.json": {"pad_token": "!"},
        "unet/config.json": UNET
        | FOUR_LEVELS
        | {
            "cross_attention_dim": 1024,
            "attention_head_dim": [5, 10, 20, 20],
            "sample_size": 96,
            "use_linear_projection": True,
        },
        "vae/config.json": VAE | {"sample_size": 768, "scaling_factor": 0.18215},
    },
    "sdxl": {
        "model_index.json": {
            "_class_name": "StableDiffusionXLPipeline",
            "scheduler": ["diffusers", "EulerDiscreteScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "tokenizer_2": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
            "feature_extractor": [None, None],
            "image_encoder": [None, None],
            "force_zeros_for_empty_prompt": True,
        },
        "scheduler/scheduler_config.json": {
            "_class_name": "EulerDiscreteScheduler",
            **DIFFUSION,
            **LATENT,
            "interpolation_type": "linear",
            "prediction_type": "epsilon",
            "timestep_spacing": "leading",
            "use_karras_sigmas": False,
            "skip_prk_steps": True,
        },
        "text_encoder/config.json": CLIP_L,
        "text_encoder_2/config.json": CLIP_G,
        "tokenizer/tokenizer_config.json": {"pad_token": END},
        "tokenizer_2/tokenizer_config.json": {"pad_token": "!"},
        "unet/config.json": UNET
        | {
            "block_out_channels": [320, 640, 1280],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "transformer_layers_per_block": [1, 2, 10],
            "cross_attention_dim": 2048,
            "attention_head_dim": [5, 10, 20],
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
            "sample_size": 128,
        },
        "vae/config.json": VAE | {"sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True},
    },
}
NOTICE = """# What single-file checkpoints need beside their weights

`python -m tools.layouts` writes this folder. The configurations state the shapes of Stable Diffusion 1.x, 2.x and
XL in the names of diffusers and transformers. The vocabulary in `clip` is OpenAI's CLIP
(`bpe_simple_vocab_16e6.txt`), in the files that transformers reads:

> MIT License. Copyright (c) 2021 OpenAI
>
> Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
> documentation files (the "Software"), to deal in the Software without restriction, including without limitation
> the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and
> to permit persons to whom the Software is furnished to do so, subject to the following conditions:
>
> The above copyright notice and this permission notice shall be included in all copies or substantial portions of
> the Software.
>
> THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO
> THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
> AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
> CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
> DEALINGS IN THE SOFTWARE.
"""


def write_json(path: Path, value: object) -> None:
    """A JSON file, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def list_letters() -> list[str]:
    """A printable character for each of the 256 bytes, in CLIP's order."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [*map(chr, printable), *(chr(256 + number) for number in range(len(others)))]


def write_tokenizer(wheel: Path, folder: Path) -> None:
    """vocab.json and merges.txt, as transformers reads them, from the list of pairs in open_clip's wheel."""
    with ZipFile(wheel) as archive:
        lines = gzip.decompress(archive.read(VOCABULARY)).decode().split("\n")
    merges = lines[1 : MERGES + 1]
    letters = list_letters()
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *(merge.replace(" ", "") for merge in merges)]
    vocabulary = {token: number for number, token in enumerate([*tokens, START, END])}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(
        json.dumps(vocabulary, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8"
    )
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, **special}
    write_json(folder / "tokenizer_config.json", settings)


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="open_clip_torch's wheel")
    wheel = parser.parse_args().wheel
    for name, files in LAYOUTS.items():
        for file, value in files.items():
            write_json(FOLDER / name / file, value)
    write_tokenizer(wheel, FOLDER / "clip")
    (FOLDER / "README.md").write_text(NOTICE, encoding="utf-8")


if __name__ == "__main__":
    main()
