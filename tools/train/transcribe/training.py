"""The training of the Whisper. It has a time budget and can be resumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from tools.train.shared.budget import Budget, learning_rate_scale
from tools.train.shared.checkpoint import load_checkpoint
from tools.train.shared.loop import Average, set_learning_rate, train_steps
from tools.train.transcribe.data import IGNORED, Clips, Plan, Planner
from tools.train.transcribe.networks import build_model
from tools.train.transcribe.sound import disturb, place_clips, whisper_features
from tools.train.transcribe.tokens import word_ids
from tools.train.transcribe.words import WORDS


@dataclass(frozen=True)
class TranscribeRecipe:
    """What shapes the training."""

    learning_rate: float = 2e-3
    warmup_steps: int = 400
    decay_from: float = 0.3
    batch_size: int = 128
    """windows a step"""
    guide_share: float = 0.3
    """of a CTC loss on the encoder: it finds the words in time long before the decoder learns where to look"""
    workers: int = 3
    """processes that draw the windows; 0 for none"""


def train(
    clips: Clips,
    budget: Budget,
    seed: int,
    checkpoint: Path,
    device: torch.device,
    recipe: TranscribeRecipe | None = None,
    most_steps: int | None = None,
) -> int:
    """Train until the budget is spent, resuming from `checkpoint`. Returns the number of steps."""
    recipe = recipe or TranscribeRecipe()
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = True  # all batches have one shape
    model, copy = build_model().to(device).train(), build_model().to(device)
    average = Average(model, copy)
    guide = nn.Linear(model.config.d_model, len(WORDS) + 1).to(device)
    weights = [*model.parameters(), *guide.parameters()]
    fused = device.type == "cuda"
    optimizer = torch.optim.AdamW(weights, recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=fused)
    bank = torch.from_numpy(clips.samples).to(device)
    state = load_checkpoint(checkpoint)
    plans = _plans(Planner(clips, seed, recipe.batch_size), state["step"] if state else 0, recipe.workers)

    def step(number: int, fraction: float) -> dict[str, Tensor]:
        rate = learning_rate_scale(number, fraction, recipe.warmup_steps, recipe.decay_from)
        set_learning_rate(optimizer, recipe.learning_rate * rate)
        plan = next(plans)
        starts, lengths, places, rates, tokens, labels = (
            torch.from_numpy(part).to(device, non_blocking=True)
            for part in (plan.starts, plan.lengths, plan.places, plan.rates, plan.tokens, plan.labels)
        )
        with torch.no_grad():
            features = hide(whisper_features(disturb(place_clips(bank, starts, lengths, places, rates))))
        with torch.autocast(device.type, dtype=torch.bfloat16):
            encoded = model.model.encoder(features).last_hidden_state
            logits = model(encoder_outputs=(encoded,), decoder_input_ids=tokens, use_cache=False).logits
            heard = guide(encoded)
        loss = guide_loss(heard, plan, device) * recipe.guide_share
        loss = loss + functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.follow(number)
        return {"loss": loss.detach()}

    parts = {"model": model, "average": copy, "guide": guide, "optimizer": optimizer}
    return train_steps("transcribe", parts, step, budget, checkpoint, most_steps)


def guide_loss(heard: Tensor, plan: Plan, device: torch.device) -> Tensor:
    """CTC loss of the windows' words, a word long. `heard` has the shape (windows, places, words + 1)."""
    ids = np.array(list(word_ids().values()))
    spoken = np.isin(plan.labels, ids)
    order = np.argsort(ids)
    words = order[np.searchsorted(ids[order], plan.labels[spoken])] + 1
    lengths = torch.from_numpy(spoken.sum(1))
    places = torch.full((len(heard),), heard.shape[1])
    chances = heard.float().log_softmax(-1).transpose(0, 1)
    summed = functional.ctc_loss(
        chances, torch.from_numpy(words).to(device), places, lengths, reduction="sum", zero_infinity=True
    )
    return summed / max(1, len(words))


def hide(features: Tensor) -> Tensor:
    """Features (batch, mels, frames) with one short band of pitch and one short time hidden in each."""
    size, mels, frames = features.shape
    device = features.device
    band, time = torch.arange(mels, device=device), torch.arange(frames, device=device)
    lowest = torch.rand(size, 1, device=device) * mels
    width = torch.rand(size, 1, device=device) * 12
    first = torch.rand(size, 1, device=device) * frames
    lasting = torch.rand(size, 1, device=device) * 12
    hidden = ((band >= lowest) & (band < lowest + width))[:, :, None]
    hidden = hidden | ((time >= first) & (time < first + lasting))[:, None]
    return features.masked_fill(hidden, 0.0)


def _plans(planner: Planner, first: int, workers: int) -> Iterator[Plan]:
    steps = range(first, len(planner))
    if workers:
        yield from DataLoader(
            planner, batch_size=None, sampler=steps, num_workers=workers, prefetch_factor=8, collate_fn=_same
        )
    else:
        yield from map(planner.__getitem__, steps)


def _same(plan: Plan) -> Plan:
    return plan
