"""The training of one DistilBERT classifier. It has a time budget and can be resumed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from tools.train.classify.batches import BatchSource
from tools.train.classify.data import LABELS
from tools.train.classify.settings import ClassifyRecipe
from tools.train.classify.vocabulary import MAX_LENGTH
from tools.train.shared.budget import Budget, learning_rate_scale
from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MICRO_BATCHES = 4
SAVE_EVERY_SECONDS = 60.0


def build_model(recipe: ClassifyRecipe, tokenizer: PreTrainedTokenizerBase) -> DistilBertForSequenceClassification:
    """An untrained classifier of the recipe's size."""
    config = DistilBertConfig(
        vocab_size=len(tokenizer),
        dim=recipe.width,
        n_layers=recipe.layers,
        n_heads=recipe.heads,
        hidden_dim=recipe.hidden,
        max_position_embeddings=MAX_LENGTH,
        dropout=recipe.dropout,
        attention_dropout=0.0,
        seq_classif_dropout=recipe.dropout,
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
        pad_token_id=tokenizer.pad_token_id,
    )
    model = DistilBertForSequenceClassification(config)
    _widen(model)
    return model


@torch.no_grad()
def _widen(model: DistilBertForSequenceClassification) -> None:
    """Start from a bag of words: even attention in the first layer, and maps wide enough to carry its sum."""
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.xavier_uniform_(module.weight)
    torch.nn.init.zeros_(model.distilbert.transformer.layer[0].attention.q_lin.weight)
    torch.nn.init.normal_(model.classifier.weight, std=0.02)


def train(
    recipe: ClassifyRecipe,
    batches: BatchSource,
    tokenizer: PreTrainedTokenizerBase,
    seconds: float,
    seed: int,
    checkpoint: Path,
) -> DistilBertForSequenceClassification:
    """The average of the weights over the last steps of training for `seconds`, resumed from `checkpoint`."""
    torch.manual_seed(seed)
    model = build_model(recipe, tokenizer).train()
    average = copy.deepcopy(model).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    state = load_checkpoint(checkpoint)
    if state is not None:
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    budget = Budget(seconds, state["spent"] if state else 0.0)
    step, saved = state["step"] if state else 0, budget.spent
    while budget.fraction < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * learning_rate_scale(step, budget.fraction, decay_from=0.3)
        loss = _step(model, tokenizer, *batches.draw(step))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        _follow(average, model, min(recipe.average_decay, step / (step + 10)))
        if step % 50 == 0:
            print(f"step {step}  {budget.spent:.0f} s  loss {loss:.4f}", flush=True)
        if budget.spent - saved > SAVE_EVERY_SECONDS or budget.fraction >= 1.0:
            saved = budget.spent
            parts = {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
            save_checkpoint(checkpoint, {**parts, "step": step, "spent": saved})
    return average


def _step(
    model: DistilBertForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    texts: list[str],
    targets: list[float],
) -> float:
    """Compute gradients of the mean cross entropy of one batch, in micro-batches of similar length to save padding."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    total = 0.0
    for part in np.array_split(order, MICRO_BATCHES):
        inputs = tokenizer([texts[i] for i in part], padding=True, truncation=True, return_tensors="pt")
        positive = torch.tensor([targets[i] for i in part])
        log_probabilities = model(**inputs).logits.log_softmax(-1)
        soft: Tensor = torch.stack([1 - positive, positive], dim=-1)
        loss = -(soft * log_probabilities).sum() / len(texts)
        loss.backward()
        total += loss.item()
    return total


@torch.no_grad()
def _follow(average: torch.nn.Module, model: torch.nn.Module, decay: float) -> None:
    for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
        slow.lerp_(fast, 1.0 - decay)
