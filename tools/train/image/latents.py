"""The training pool of the denoiser: drawings as latents, each with a few tokenised captions."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from transformers import CLIPTokenizer

from tools.train.image.captions import write_training_caption
from tools.train.image.drawing import draw_batch
from tools.train.image.networks import LATENT_CHANNELS
from tools.train.image.scenes import Scene, draw_training_scene
from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint

log = logging.getLogger(__name__)

POOL_SIZE = 60_000
CAPTIONS_PER_DRAWING = 3
CHUNK = 200
STREAM = 2


@dataclass(frozen=True)
class Pool:
    """Latents (drawings, 8, 8, 8) in float16 and token ids (drawings, captions, tokens) in int16."""

    latents: Tensor
    tokens: Tensor

    def draw(self, rng: np.random.Generator, batch_size: int) -> tuple[Tensor, Tensor]:
        """A random batch: latents in float32, and token ids of one caption each in int64."""
        rows = torch.from_numpy(rng.integers(len(self.latents), size=batch_size))
        captions = torch.from_numpy(rng.integers(CAPTIONS_PER_DRAWING, size=batch_size))
        return self.latents[rows].float(), self.tokens[rows, captions].long()


@torch.no_grad()
def standardize_latents(autoencoder: AutoencoderKL, rng: np.random.Generator) -> None:
    """Give each latent channel mean 0 and variance 1 by folding the change into the 1x1 convolutions around them."""
    pictures = draw_batch([draw_training_scene(rng) for _ in range(1000)], rng)
    latents = torch.cat([autoencoder.encode(part).latent_dist.mean for part in torch.from_numpy(pictures).split(CHUNK)])
    mean, std = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    into, out_of = autoencoder.quant_conv, autoencoder.post_quant_conv
    into.weight[:LATENT_CHANNELS] /= std[:, None, None, None]
    into.bias[:LATENT_CHANNELS] = (into.bias[:LATENT_CHANNELS] - mean) / std
    into.bias[LATENT_CHANNELS:] -= 2 * std.log()
    out_of.bias += out_of.weight[:, :, 0, 0] @ mean
    out_of.weight *= std[None, :, None, None]
    autoencoder.register_to_config(scaling_factor=1.0)


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Token ids (captions, tokens), padded and truncated like the pipeline does."""
    encoded = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
    ids: Tensor = encoded.input_ids
    return ids


@torch.no_grad()
def _chunk(autoencoder: AutoencoderKL, tokenizer: CLIPTokenizer, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    scenes: list[Scene] = [draw_training_scene(rng) for _ in range(CHUNK)]
    latents = autoencoder.encode(torch.from_numpy(draw_batch(scenes, rng))).latent_dist.mean
    captions = [write_training_caption(scene, rng) for scene in scenes for _ in range(CAPTIONS_PER_DRAWING)]
    tokens = tokenize(tokenizer, captions).view(CHUNK, CAPTIONS_PER_DRAWING, -1)
    return latents.half(), tokens.to(torch.int16)


def build_pool(folder: Path, autoencoder: AutoencoderKL, tokenizer: CLIPTokenizer, seed: int) -> Pool:
    """Draw and encode the pool, or load the pool of an earlier run from the folder."""
    path = folder / "latents.pt"
    saved = load_checkpoint(path)
    if saved is not None:
        return Pool(saved["latents"], saved["tokens"])
    chunks = []
    for index in range(POOL_SIZE // CHUNK):
        chunks.append(_chunk(autoencoder, tokenizer, np.random.default_rng((seed, STREAM, index))))
        if index % 50 == 0:
            log.info("pool: %d of %d drawings", index * CHUNK, POOL_SIZE)
    latents, tokens = (torch.cat(parts) for parts in zip(*chunks, strict=True))
    save_checkpoint(path, {"latents": latents, "tokens": tokens})
    return Pool(latents, tokens)
