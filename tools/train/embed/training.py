"""The student and its training: a small BERT whose vectors have the teacher's inner products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from tools.train.embed.teacher import MAX_TOKENS, Vectors, mean_vectors
from tools.train.shared.device import autocast

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WIDTH = 192
VOCABULARY = 7000
BATCH_SIZE = 512
LEARNING_RATE = 1.5e-3
TOKENS = 40
"""Longer training sentences are cut."""
TARGET_WEIGHT = 1.0
RELATION_WEIGHT = 20.0


def build_model(words: int) -> BertModel:
    """The untrained student for a vocabulary of `words`: 2.5M parameters."""
    config = BertConfig(
        vocab_size=words, hidden_size=WIDTH, num_hidden_layers=3, num_attention_heads=6, intermediate_size=3 * WIDTH,
        max_position_embeddings=2 * MAX_TOKENS, hidden_dropout_prob=0.05, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return BertModel(config, add_pooling_layer=False)


class Lesson:
    """Sentences as tokens on the device with the teacher's vectors (sentences, WIDTH), and the loss of a step."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        sentences: list[str],
        targets: Vectors,
        device: str,
        batch_size: int,
        seed: int,
    ) -> None:
        tokens = tokenizer(sentences, truncation=True, max_length=TOKENS, padding="max_length", return_tensors="np")
        ids = tokens["input_ids"].astype(np.int16)
        lengths = (ids != tokenizer.pad_token_id).sum(1)
        order = np.argsort(lengths, kind="stable")
        self._lengths = lengths[order]
        self._ids = torch.from_numpy(ids[order]).to(device)
        self._targets = torch.from_numpy(targets[order]).to(device)
        self._device, self._batch_size, self._pad = device, batch_size, tokenizer.pad_token_id
        self._rng = np.random.default_rng(seed)
        torch.manual_seed(seed)

    def _batch(self) -> tuple[Tensor, Tensor]:
        """A third of the batches are of one length throughout, which trains the fine differences at little cost."""
        count = len(self._lengths)
        picked = self._rng.integers(count, size=self._batch_size)
        if self._rng.random() < 0.33:
            start = int(self._rng.integers(max(1, count - 4 * self._batch_size)))
            picked = start + self._rng.integers(min(count, 4 * self._batch_size), size=self._batch_size)
        longest = int(self._lengths[picked].max())
        rows = torch.from_numpy(picked).to(self._device)
        return self._ids[rows, :longest].long(), self._targets[rows]

    def loss(self, model: nn.Module, _fraction: float) -> Tensor:
        """The distance to the teacher's vectors, and between the inner products of all pairs of the batch."""
        ids, targets = self._batch()
        mask = ids != self._pad
        with autocast(self._device):
            hidden = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        vectors = mean_vectors(hidden.float(), mask)
        near = 1 - (vectors * targets).sum(-1)
        ours, theirs = vectors @ vectors.T, targets @ targets.T
        close = 1 + 4 * theirs.clamp(min=0)
        close.fill_diagonal_(0)
        relation = ((ours - theirs).square() * close).sum() / close.sum()
        return TARGET_WEIGHT * near.mean() + RELATION_WEIGHT * relation
