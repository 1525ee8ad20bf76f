"""The network and its training: RT-DETR with a small ResNet and one grid of places.

Lv et al., DETRs Beat YOLOs on Real-time Object Detection (2023). The losses are its own; the places of the grid are
assigned by where objects stand, so that they learn at once, and the queries by what they cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrResNetConfig

from tools.train.detect.scenes import LABELS, SIDE
from tools.train.shared.degraded import to_inputs
from tools.train.shared.device import autocast

if TYPE_CHECKING:
    from tools.train.shared.pool import Arrays

WIDTH = 128
STRIDE = 8
GRID = SIDE // STRIDE
QUERIES = 16
MEAN = STD = [0.5, 0.5, 0.5]
BATCH_SIZE = 64
EXAMPLES = 60_000
LEARNING_RATE = 1.5e-3
ALPHA, GAMMA = 0.75, 2.0
"""of the varifocal loss"""
LABEL_WEIGHT, BOX_WEIGHT, OVERLAP_WEIGHT = 2.0, 5.0, 2.0
"""of what a query costs an object; the losses of boxes have the last two as well"""
COLOUR_SHIFT, GRAIN = 0.02, 0.06
"""Changes of a whole picture and of its pixels, drawn anew at every use, in units of half the range of a byte."""


def build_model() -> RTDetrForObjectDetection:
    """The untrained network: 1.3M parameters."""
    backbone = RTDetrResNetConfig(
        embedding_size=48, hidden_sizes=[48, 96], depths=[1, 2], layer_type="basic", out_features=["stage2"]
    )
    config = RTDetrConfig(
        backbone_config=backbone, freeze_backbone_batch_norms=False,
        encoder_hidden_dim=WIDTH, encoder_in_channels=[96], feat_strides=[STRIDE], encode_proj_layers=[0],
        encoder_layers=1, encoder_ffn_dim=2 * WIDTH, encoder_attention_heads=4,
        d_model=WIDTH, num_queries=QUERIES, decoder_in_channels=[WIDTH], decoder_ffn_dim=2 * WIDTH,
        num_feature_levels=1, decoder_layers=2, decoder_attention_heads=4, num_denoising=0,
        id2label=dict(enumerate(LABELS)), label2id={label: number for number, label in enumerate(LABELS)},
    )  # fmt: skip
    return RTDetrForObjectDetection(config)


def corners(boxes: Tensor) -> Tensor:
    """(..., centre x, y, width, height) as (..., left, top, right, bottom)."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], -1)


def generalized_overlap(first: Tensor, second: Tensor) -> Tensor:
    """Generalised intersection over union of boxes with corners, element by element."""
    low, high = torch.maximum(first[..., :2], second[..., :2]), torch.minimum(first[..., 2:], second[..., 2:])
    both = (high - low).clamp(min=0).prod(-1)
    union = (first[..., 2:] - first[..., :2]).prod(-1) + (second[..., 2:] - second[..., :2]).prod(-1) - both
    low, high = torch.minimum(first[..., :2], second[..., :2]), torch.maximum(first[..., 2:], second[..., 2:])
    hull = (high - low).prod(-1)
    return both / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


@torch.no_grad()
def assign(logits: Tensor, predicted: Tensor, boxes: Tensor, labels: Tensor) -> Tensor:
    """The query of each object, (batch, MOST): object by object the cheapest pair that is left.

    logits (batch, queries, labels), predicted (batch, queries, 4), boxes (batch, MOST, 4), labels (batch, MOST) with
    -1 for none.
    """
    count, most = labels.shape
    queries = logits.shape[1]
    chosen = labels.clamp(min=0)[:, None].expand(count, queries, most)
    pairs = boxes[:, :, None].expand(count, most, queries, 4), predicted[:, None].expand(count, most, queries, 4)
    cost = -LABEL_WEIGHT * logits.sigmoid().gather(2, chosen).transpose(1, 2)
    cost = cost + BOX_WEIGHT * (pairs[0] - pairs[1]).abs().sum(-1)
    cost = cost - OVERLAP_WEIGHT * generalized_overlap(*map(corners, pairs))
    cost = cost.masked_fill((labels < 0)[..., None], 1e4)
    found = torch.zeros(count, most, dtype=torch.long, device=logits.device)
    rows = torch.arange(count, device=logits.device)
    for _ in range(most):
        best = cost.flatten(1).argmin(1)
        target, query = best // queries, best % queries
        found[rows, target] = query
        cost[rows, target] = 1e6
        cost[rows, :, query] += 1e5
    return found


def places_of(boxes: Tensor) -> Tensor:
    """The place of the grid in which the centre of each box lies, row by row."""
    cells = (boxes[..., :2] * GRID).long().clamp(0, GRID - 1)
    return cells[..., 1] * GRID + cells[..., 0]


def loss_of_part(logits: Tensor, predicted: Tensor, boxes: Tensor, labels: Tensor, taken: Tensor) -> Tensor:
    """The varifocal loss of all labels, and L1 and generalised overlap of the boxes that objects took.

    As `assign` has them; `taken` (batch, MOST) is what each object took.
    """
    there = labels >= 0
    number = there.sum().clamp(min=1)
    mine = predicted.gather(1, taken[..., None].expand(*taken.shape, 4))
    overlap = generalized_overlap(corners(mine), corners(boxes))
    away = ((mine - boxes).abs().sum(-1) * there).sum() / number
    beside = ((1 - overlap) * there).sum() / number
    batch, place = there.nonzero(as_tuple=True)
    wanted = torch.zeros_like(logits)
    wanted[batch, taken[batch, place], labels[batch, place]] = overlap[batch, place].detach().clamp(0.01, 1)
    weight = torch.where(wanted > 0, wanted, ALPHA * logits.detach().sigmoid() ** GAMMA)
    named = nn.functional.binary_cross_entropy_with_logits(logits, wanted, weight, reduction="sum") / number
    return named + BOX_WEIGHT * away + OVERLAP_WEIGHT * beside


class Lesson:
    """The examples on the device, and the loss of a step on a random batch of them."""

    def __init__(self, examples: Arrays, device: str, batch_size: int, seed: int) -> None:
        self._pixels, self._boxes, self._labels = (torch.from_numpy(array).to(device) for array in examples)
        self._device = device
        self._batch_size = batch_size
        torch.manual_seed(seed)

    def _batch(self) -> tuple[Tensor, Tensor, Tensor]:
        picked = torch.randint(len(self._pixels), (self._batch_size,), device=self._device)
        pixels, boxes, labels = self._pixels[picked], self._boxes[picked].clone(), self._labels[picked].long()
        inputs = to_inputs(pixels, MEAN, STD)
        mirrored = torch.rand(self._batch_size, device=self._device) < 0.5
        inputs = torch.where(mirrored[:, None, None, None], inputs.flip(-1), inputs)
        boxes[..., 0] = torch.where(mirrored[:, None], 1 - boxes[..., 0], boxes[..., 0])
        inputs = inputs + torch.randn(self._batch_size, 3, 1, 1, device=self._device) * COLOUR_SHIFT
        grain = torch.rand(self._batch_size, 1, 1, 1, device=self._device) * GRAIN
        inputs = inputs + torch.randn_like(inputs) * grain
        return inputs, boxes, labels

    def loss(self, model: nn.Module, _fraction: float) -> Tensor:
        """The losses of the grid's places and of every layer of queries."""
        inputs, boxes, labels = self._batch()
        with autocast(self._device):
            output = model(pixel_values=inputs)
        places = output.enc_outputs_class.float(), output.enc_outputs_coord_logits.float().sigmoid()
        loss = loss_of_part(*places, boxes, labels, places_of(boxes))
        layers = output.intermediate_logits.float().unbind(1), output.intermediate_reference_points.float().unbind(1)
        for logits, predicted in zip(*layers, strict=True):
            loss = loss + loss_of_part(logits, predicted, boxes, labels, assign(logits, predicted, boxes, labels))
        return loss
