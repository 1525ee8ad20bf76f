"""Pictures as they come: softened, noisy, compressed, resized, and a little wavy."""

from __future__ import annotations

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional

Pixels = NDArray[np.uint8]


def degrade(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A picture (height, width, 3) after some of: resizing, blur, noise, JPEG. One in five stays as it is."""
    if rng.random() < 0.2:
        return pixels
    image = Image.fromarray(pixels)
    if rng.random() < 0.25:
        side = int(image.width * rng.uniform(0.6, 2.0))
        method = Image.Resampling(int(rng.choice([1, 2, 3])))
        image = image.resize((side, side), method).resize((pixels.shape[1], pixels.shape[0]), method)
    if rng.random() < 0.35:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.2, 0.9))))
    if rng.random() < 0.4:
        noisy = np.asarray(image) + rng.normal(0, rng.uniform(1, 12), pixels.shape)
        image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    if rng.random() < 0.3:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(rng.integers(45, 96)))
        image = Image.open(file)
    return np.asarray(image)


def to_inputs(pixels: Tensor, mean: list[float], std: list[float]) -> Tensor:
    """Bytes (batch, height, width, 3) as normalised floats (batch, 3, height, width)."""
    scale = pixels.new_tensor(std, dtype=torch.float32) * 255
    shift = pixels.new_tensor(mean, dtype=torch.float32) * 255
    return ((pixels.float() - shift) / scale).permute(0, 3, 1, 2)


def waver(inputs: Tensor, reach: float) -> Tensor:
    """Pictures (batch, 3, height, width) with their lines bent and moved by up to `reach` pixels, smoothly."""
    count, _, height, width = inputs.shape
    coarse = torch.randn(count, 2, 7, 7, device=inputs.device) * torch.rand(count, 1, 1, 1, device=inputs.device)
    moved = functional.interpolate(coarse, (height, width), mode="bicubic") + torch.randn(
        count, 2, 1, 1, device=inputs.device
    )
    moved = moved.clamp(-2, 2).permute(0, 2, 3, 1) * (reach / width)
    identity = torch.eye(2, 3, device=inputs.device).expand(count, 2, 3)
    grid = functional.affine_grid(identity, [count, 3, height, width], align_corners=False) + moved
    return functional.grid_sample(inputs, grid, padding_mode="border", align_corners=False)
