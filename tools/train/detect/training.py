"""The network and its training: a plain vision transformer with detection tokens, in the layout of YOLOS.

Each detection token has a home in the picture (a grid of GRID x GRID). A token takes the object that is nearest to
its home and to what it predicts. So tokens need not find their share first, which is what makes DETR slow to train.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers import BlipVisionModel, YolosConfig, YolosForObjectDetection

from tools.train.detect.scenes import LABELS, SIDE
from tools.train.shared.degraded import to_inputs
from tools.train.shared.device import autocast

if TYPE_CHECKING:
    from tools.train.shared.pool import Arrays

WIDTH = 128
GRID = 4
MEAN = STD = [0.5, 0.5, 0.5]
BATCH_SIZE = 32
EXAMPLES = 60_000
LEARNING_RATE = 8e-4
NOTHING_WEIGHT = 0.2
HOME_WEIGHT = 4.0
"""What the way from its home costs a token, against a probability of 1, at the start of training."""
COLOUR_SHIFT, GRAIN = 0.02, 0.06
"""Changes of a whole picture and of its pixels, drawn anew at every use, in units of half the range of a byte."""
BLIP_PARTS = {
    "layernorm_before": "layer_norm1",
    "layernorm_after": "layer_norm2",
    "attention.output.dense": "self_attn.projection",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}
"""Parts of a layer of YOLOS, and those of a layer of BLIP that do the same."""
QKV = tuple(f"attention.attention.{name}" for name in ("query", "key", "value"))
ADAM_NAMES = ("embeddings", "layers.2")
"""Parameters that Muon does not take: the first layer and the last ones."""


def build_model() -> YolosForObjectDetection:
    """The untrained network: 1.3M parameters."""
    config = YolosConfig(
        hidden_size=WIDTH, num_hidden_layers=5, num_attention_heads=4, intermediate_size=4 * WIDTH,
        image_size=[SIDE, SIDE], patch_size=8, num_detection_tokens=GRID * GRID, use_mid_position_embeddings=False,
        id2label=dict(enumerate(LABELS)), label2id={label: number for number, label in enumerate(LABELS)},
    )  # fmt: skip
    model = YolosForObjectDetection(config)
    embeddings = model.vit.embeddings
    for parameter in (embeddings.detection_tokens, embeddings.position_embeddings, embeddings.cls_token):
        nn.init.normal_(parameter, std=0.02)
    return model


@torch.no_grad()
def take_sight(model: YolosForObjectDetection, seeing: BlipVisionModel) -> None:
    """Start from the model that describes: its patches and places, and its layers as the first ones of this model.

    The layers that it lacks begin as they were drawn, but add little.
    """
    vit, patches = model.vit, (SIDE // 8) ** 2
    vit.embeddings.patch_embeddings.projection.load_state_dict(seeing.embeddings.patch_embedding.state_dict())
    vit.embeddings.position_embeddings[:, : 1 + patches] = seeing.embeddings.position_embedding
    vit.embeddings.cls_token.copy_(seeing.embeddings.class_embedding)
    # A detection token stands where its home is, as the patches around it do, so it looks at them from the start.
    side = SIDE // 8
    places = seeing.embeddings.position_embedding[:, 1:].reshape(side, side, -1).permute(2, 0, 1)[None]
    at_home = nn.functional.adaptive_avg_pool2d(places, GRID).flatten(2).mT
    vit.embeddings.position_embeddings[:, 1 + patches :] = at_home
    vit.layernorm.load_state_dict(seeing.post_layernorm.state_dict())
    layers = list(vit.encoder.layer)
    for mine, theirs in zip(layers, seeing.encoder.layers, strict=False):
        for name, part in BLIP_PARTS.items():
            mine.get_submodule(name).load_state_dict(theirs.get_submodule(part).state_dict())
        weights, biases = theirs.self_attn.qkv.weight.chunk(3), theirs.self_attn.qkv.bias.chunk(3)
        for name, weight, bias in zip(QKV, weights, biases, strict=True):
            mine.get_submodule(name).weight.copy_(weight)
            mine.get_submodule(name).bias.copy_(bias)
    for mine in layers[len(seeing.encoder.layers) :]:
        for name in ("attention.output.dense", "output.dense"):
            mine.get_submodule(name).weight.mul_(0.1)


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
def assign(
    logits: Tensor, predicted: Tensor, boxes: Tensor, labels: Tensor, homes: Tensor, home_weight: float
) -> Tensor:
    """The token of each object, (batch, MOST): object by object the cheapest pair that is left.

    logits (batch, tokens, labels + 1), predicted (batch, tokens, 4), boxes (batch, MOST, 4), labels (batch, MOST) with
    -1 for none, homes (tokens, 2).
    """
    count, most = labels.shape
    tokens = len(homes)
    probability = logits.float().softmax(-1)
    chosen = labels.clamp(min=0)[:, None].expand(count, tokens, most)
    cost = -probability.gather(2, chosen).transpose(1, 2)
    cost = cost + 2 * torch.cdist(boxes, predicted.float(), p=1)
    cost = cost + home_weight * torch.cdist(boxes[..., :2], homes.expand(count, tokens, 2))
    cost = cost.masked_fill((labels < 0)[..., None], 1e4)
    found = torch.zeros(count, most, dtype=torch.long, device=logits.device)
    rows = torch.arange(count, device=logits.device)
    for _ in range(most):
        best = cost.flatten(1).argmin(1)
        target, token = best // tokens, best % tokens
        found[rows, target] = token
        cost[rows, target] = 1e6
        cost[rows, :, token] += 1e5
    return found


class Lesson:
    """The examples on the device, and the loss of a step on a random batch of them."""

    def __init__(self, examples: Arrays, device: str, batch_size: int, seed: int) -> None:
        self._pixels, self._boxes, self._labels = (torch.from_numpy(array).to(device) for array in examples)
        self._device = device
        self._batch_size = batch_size
        centres = (torch.arange(GRID, device=device) + 0.5) / GRID
        self._homes = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), -1).reshape(-1, 2)
        self._weights = torch.ones(len(LABELS) + 1, device=device)
        self._weights[-1] = NOTHING_WEIGHT
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

    def loss(self, model: nn.Module, fraction: float) -> Tensor:
        """Cross entropy of the labels, and L1 and generalised overlap of the boxes, as DETR weighs them."""
        inputs, boxes, labels = self._batch()
        with autocast(self._device):
            output = model(pixel_values=inputs)
        logits, predicted = output.logits.float(), output.pred_boxes.float()
        home_weight = HOME_WEIGHT * max(0.02, 1 - 2 * fraction)
        tokens = assign(logits, predicted, boxes, labels, self._homes, home_weight)
        there = labels >= 0
        wanted = torch.full(logits.shape[:2], len(LABELS), device=logits.device)
        spare = torch.where(there, tokens, logits.shape[1])
        wanted = torch.cat([wanted, wanted[:, :1]], 1).scatter(1, spare, labels)[:, :-1]
        named = nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), self._weights)
        taken = predicted.gather(1, tokens[..., None].expand(*tokens.shape, 4))
        number = there.sum().clamp(min=1)
        away = ((taken - boxes).abs().sum(-1) * there).sum() / number
        overlap = (1 - generalized_overlap(corners(taken), corners(boxes))) * there
        return named + 5 * away + 2 * overlap.sum() / number
