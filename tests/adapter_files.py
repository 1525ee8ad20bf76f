"""LoRAs in the layouts of kohya and diffusers, and embeddings, for small pipelines with random weights."""

from pathlib import Path

import torch
from safetensors.torch import save_file

Tensors = dict[str, torch.Tensor]
ALPHA = 2.0
KOHYA = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}


def list_layers(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of the linear and convolution layers of a pipeline's UNet and text encoders, by part and module."""
    from safetensors.torch import load_file

    found = {}
    for part, name in (("unet", "diffusion_pytorch_model"), ("text_encoder", "model"), ("text_encoder_2", "model")):
        file = folder / part / f"{name}.safetensors"
        if file.is_file():
            for key, value in load_file(file).items():
                if key.endswith(".weight") and value.ndim in (2, 4) and "embedding.weight" not in key:
                    found[f"{part}.{key.removesuffix('.weight')}"] = value
    return found


def make_halves(weight: torch.Tensor, rank: int, size: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
    """The two random halves of what is added to a layer's weight."""
    outputs, inputs, *kernel = weight.shape
    down = torch.randn(rank, inputs, *kernel) * size
    return down, torch.randn(outputs, rank, *([1] * len(kernel))) * size


def name_kohya(module: str, parts: int) -> str:
    """A module as kohya's files name it: SD's one text encoder is `lora_te`, XL's two are `lora_te1` and `lora_te2`."""
    part, _, place = module.partition(".")
    prefix = KOHYA[part]
    if part != "unet" and not place.startswith("text_model."):
        place = f"text_model.{place}"
    if part == "text_encoder" and parts == 1:
        prefix = "lora_te_"
    return prefix + place.replace(".", "_")


def write_kohya(folder: Path, file: Path, *, rank: int = 4, convolutions: bool = False, dora: bool = False) -> Path:
    """A LoRA in kohya's layout for the pipeline in a folder; with `convolutions` a LoCon."""
    torch.manual_seed(rank)
    layers = list_layers(folder)
    parts = len({module.partition(".")[0] for module in layers}) - 1
    tensors: Tensors = {}
    for module, weight in layers.items():
        if weight.ndim == 4 and weight.shape[2] == 3 and not convolutions:
            continue
        name = name_kohya(module, parts)
        tensors[f"{name}.lora_down.weight"], tensors[f"{name}.lora_up.weight"] = make_halves(weight, rank)
        tensors[f"{name}.alpha"] = torch.tensor(ALPHA)
        if dora:
            tensors[f"{name}.dora_scale"] = weight.flatten(1).norm(dim=1)[:, None] * 1.2
    save_file(tensors, file, metadata={"ss_network_module": "networks.lora"})
    return file


def write_peft(folder: Path, file: Path, *, rank: int = 4) -> Path:
    """The same LoRA in diffusers' layout: no scale, which is worked into the second half."""
    torch.manual_seed(rank)
    tensors: Tensors = {}
    for module, weight in list_layers(folder).items():
        if weight.ndim == 4 and weight.shape[2] == 3:
            continue
        down, up = make_halves(weight, rank)
        tensors[f"{module}.lora_A.weight"], tensors[f"{module}.lora_B.weight"] = down, up * ALPHA / rank
    save_file(tensors, file)
    return file


def merge_kohya(folder: Path, file: Path, weight: float) -> None:
    """Add a LoRA in kohya's layout to the weights of a folder's plain files, as it is defined: W + w * scale * B A."""
    from safetensors.torch import load_file

    lora, parts = load_file(file), len({module.partition(".")[0] for module in list_layers(folder)}) - 1
    for part in ("unet", "text_encoder", "text_encoder_2"):
        for path in (folder / part).glob("*model.safetensors"):
            tensors = load_file(path)
            for key, value in tensors.items():
                name = name_kohya(f"{part}.{key.removesuffix('.weight')}", parts)
                if f"{name}.lora_up.weight" in lora:
                    up, down = lora[f"{name}.lora_up.weight"], lora[f"{name}.lora_down.weight"]
                    added = (up.flatten(1) @ down.flatten(1)).reshape(value.shape)
                    tensors[key] = value + weight * float(lora[f"{name}.alpha"]) / down.shape[0] * added
            save_file(tensors, path, metadata={"format": "pt"})
