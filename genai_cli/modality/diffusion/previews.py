"""Pictures as they form: latents decoded cheaply, by a small decoder, or by a linear map from latents to colours."""

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from genai_cli.events import Preview

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline

PREVIEWS = 10  # of a picture, at most
SMALL_DECODER = 5_000_000  # parameters: it takes no longer than a step
# Red, green and blue, from -1 to 1, for each channel of the latents of Stable Diffusion 1 and 2, and without any:
# https://discuss.huggingface.co/t/decoding-latents-to-rgb-without-upscaling/23204
SD = ((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473), (0.0, 0.0, 0.0))
KNOWN = {"StableDiffusionPipeline": SD}
FITTED_SIDE, PATCHES = 16, 6  # of the latents that a map is fitted on: smooth ones, as pictures have

fitted: "WeakKeyDictionary[torch.nn.Module, torch.Tensor]" = WeakKeyDictionary()
"""The maps of decoders, each fitted once."""


def is_due(step: int, total: int) -> bool:
    """Whether a step (from 0) is one of those that a preview is made of; the last one is the picture itself."""
    return step % max(1, round(total / PREVIEWS)) == 0 and step + 1 < total


def make_preview(pipeline: "DiffusionPipeline", latents: "torch.Tensor", step: int, total: int) -> Preview | None:
    """What the first picture of a group looks like after a step; None where its latents are of an unknown kind.

    `latents` has the shape (pictures, channels, height, width).
    """
    import torch

    vae = getattr(pipeline, "vae", None)
    channels = getattr(getattr(vae, "config", None), "latent_channels", None)
    if vae is None or latents.ndim != 4 or latents.shape[1] != channels:
        return None
    with torch.inference_mode():
        if sum(parameter.numel() for parameter in vae.parameters()) <= SMALL_DECODER:
            colours = decode(vae, latents[:1])
        else:
            colours = apply_map(find_map(pipeline, vae), latents[:1])
        pixels = (colours[0].permute(1, 2, 0).nan_to_num() / 2 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8)
    height, width = pixels.shape[:2]
    return Preview(pixels.cpu().contiguous().numpy().tobytes(), width, height, step + 1, total)


def decode(vae: "torch.nn.Module", latents: "torch.Tensor") -> "torch.Tensor":
    """Colours from -1 to 1, of shape (pictures, 3, height, width), by the model's own decoder."""
    config = vae.config
    scaled = latents.to(vae.dtype) / config.scaling_factor + (getattr(config, "shift_factor", None) or 0)
    # The class's own: what repairs a picture that is not finite has no part in previews.
    made: torch.Tensor = type(vae).decode(vae, scaled).sample
    return made.float()


def apply_map(colours: "torch.Tensor", latents: "torch.Tensor") -> "torch.Tensor":
    """Colours from -1 to 1, of shape (pictures, 3, height, width), by a map of shape (channels + 1, 3)."""
    import torch

    weights = colours.to(latents.device)
    return torch.einsum("pchw,cr->prhw", latents.float(), weights[:-1]) + weights[-1][None, :, None, None]


def find_map(pipeline: "DiffusionPipeline", vae: "torch.nn.Module") -> "torch.Tensor":
    """The map of a pipeline's latents: the known one, else the one that fits its decoder."""
    import torch

    known = KNOWN.get(type(pipeline).__name__)
    if known is not None and len(known) == vae.config.latent_channels + 1:
        return torch.tensor(known)
    if vae not in fitted:
        fitted[vae] = fit_map(vae)
    return fitted[vae]


def fit_map(vae: "torch.nn.Module") -> "torch.Tensor":
    """The map of shape (channels + 1, 3) that comes nearest to a decoder, by least squares on smooth latents."""
    import torch
    from torch.nn import functional

    shape = (1, vae.config.latent_channels, PATCHES, PATCHES)
    patches = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    latents = functional.interpolate(patches, size=(FITTED_SIDE, FITTED_SIDE), mode="bicubic")
    made = decode(vae, latents.to(vae.device)).cpu()
    wanted = functional.adaptive_avg_pool2d(made, FITTED_SIDE)[0].reshape(3, -1).T
    stated = latents[0].reshape(shape[1], -1).T
    solution: torch.Tensor = torch.linalg.lstsq(torch.cat([stated, torch.ones(len(stated), 1)], dim=1), wanted).solution
    return solution
