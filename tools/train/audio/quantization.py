"""Residual k-means: it fits the codec's codebooks to the latents of the pool."""

import logging

import torch
from torch import Tensor
from transformers import EncodecModel

log = logging.getLogger(__name__)

ITERATIONS = 25
SAMPLE = 40_000  # latents


def _nearest(points: Tensor, centres: Tensor) -> Tensor:
    """The index of the nearest centre for each point, (count,)."""
    return (points @ centres.T - centres.square().sum(1) / 2).argmax(1)


def k_means(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Centres (count, width) of points (n, width) by Lloyd's algorithm. An empty cluster moves to a random point."""
    centres = points[torch.randperm(len(points), generator=generator)[:count]].clone()
    for _ in range(ITERATIONS):
        nearest = _nearest(points, centres)
        sizes = torch.bincount(nearest, minlength=count)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        centres = sums / sizes.clamp(min=1)[:, None]
        empty = sizes == 0
        spare = torch.randint(len(points), (int(empty.sum()),), generator=generator)
        centres[empty] = points[spare]
    return centres


@torch.no_grad()
def fit_codebooks(codec: EncodecModel, latents: Tensor, seed: int) -> None:
    """Fit each codebook to what the previous ones leave of the latents (n, width), and write it into the quantizer."""
    generator = torch.Generator().manual_seed(seed)
    residual = latents[torch.randperm(len(latents), generator=generator)[:SAMPLE]]
    power = float(residual.var(0).sum())
    for layer in codec.quantizer.layers:
        centres = k_means(residual, codec.config.codebook_size, generator)
        layer.codebook.embed.copy_(centres)
        layer.codebook.embed_avg.copy_(centres)
        nearest = _nearest(residual, centres)
        layer.codebook.cluster_size.copy_(torch.bincount(nearest, minlength=len(centres)))
        residual = residual - centres[nearest]
        log.info("codebook leaves %.4f of the latents' variance", float(residual.square().sum(1).mean()) / power)
