"""The training: which word each frame is of, and by CTC which words were said. It can be resumed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from transformers import ParakeetForCTC

from tools.train.shared.budget import Budget, learning_rate_scale
from tools.train.shared.checkpoint import load_checkpoint, save_checkpoint
from tools.train.shared.device import bfloat16_pays
from tools.train.shared.loop import Average, train_steps
from tools.train.shared.optimizer import MuonWithAdam
from tools.train.transcribe.data import WORD_STEPS, Clips, Plan, Planner, place_clips
from tools.train.transcribe.networks import FRAMES, build_model
from tools.train.transcribe.sound import disturb, feature_extractor, read_features
from tools.train.transcribe.tokens import BLANK_ID

FRAME = FRAMES * feature_extractor().hop_length
"""samples of a frame of the network"""
ADAM = ("ctc_head", "subsampling")
"""what Muon is not meant for: the last layer, and the convolutions that read the features"""
Batch = tuple[Plan, Tensor, Tensor]
NOT_KNOWN = -100
"""the word of a frame, as cross_entropy passes it over"""
PLACE_SHARE = 1.0
"""of the loss a frame, beside the whole CTC loss a word: without CTC a word now and then becomes two"""


@dataclass(frozen=True)
class TranscribeRecipe:
    """What shapes the training."""

    learning_rate: float = 1.5e-3
    warmup_steps: int = 300
    decay_from: float = 0.3
    batch_size: int = 128
    """windows a step"""
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
    model, copy = build_model().to(device).train(), build_model().to(device)
    average = Average(model, copy)
    optimizer = MuonWithAdam(model.named_parameters(), recipe.learning_rate, ADAM)
    state = load_checkpoint(checkpoint) or {"step": 0}
    begun = 0 if "optimizer" in state else state["step"]
    batches = _draw(Batches(clips, Planner(clips, seed, recipe.batch_size), seed), state["step"], recipe.workers)
    halves = device.type == "cuda" or bfloat16_pays()

    def step(number: int, fraction: float) -> dict[str, Tensor]:
        rate = learning_rate_scale(number - begun, fraction, recipe.warmup_steps, recipe.decay_from)
        plan, features, mask = next(batches)
        with torch.autocast(device.type, torch.bfloat16, enabled=halves):
            logits = model(hide(features.to(device)), mask.to(device)).logits
        loss = place_loss(logits.float(), plan)
        if not plan.alone:
            loss = PLACE_SHARE * loss + word_loss(logits.float(), plan)
        loss.backward()
        optimizer.step(rate)
        average.follow(number)
        return {"loss": loss.detach()}

    parts = {"model": model, "average": copy, "optimizer": optimizer}
    return train_steps("transcribe", parts, step, budget, checkpoint, most_steps)


def start_from(folder: Path, checkpoint: Path) -> None:
    """Have the training go on from an exported model, past the steps of words alone. Raises OSError."""
    weights = ParakeetForCTC.from_pretrained(folder, dtype=torch.float32).state_dict()
    save_checkpoint(checkpoint, {"model": weights, "average": weights, "step": WORD_STEPS, "spent": 0.0})


def wanted_words(plan: Plan, frames: int) -> NDArray[np.int64]:
    """The word of each frame (windows, frames), or the blank, which also stands between two equal words.

    Each word has a frame at least. A window with words whose places are not known is NOT_KNOWN.
    """
    wanted = np.full((len(plan.sizes), frames), BLANK_ID)
    for row, said in enumerate(plan.words):
        if any(math.isnan(word.start) for word in said):
            wanted[row] = NOT_KNOWN
            continue
        free, before = 0, BLANK_ID
        for word in said:
            first = max(free, math.ceil(word.start / FRAME - 0.5))
            if first == free and word.word == before:
                first += 1
            free, before = max(first + 1, math.ceil(word.end / FRAME - 0.5)), word.word
            wanted[row, first:free] = word.word
    return wanted


def place_loss(logits: Tensor, plan: Plan) -> Tensor:
    """The cross-entropy a frame of wanted_words. `logits` has the shape (windows, frames, words + 2)."""
    wanted = torch.from_numpy(wanted_words(plan, logits.shape[1])).to(logits.device).flatten()
    summed = functional.cross_entropy(logits.flatten(0, 1), wanted, ignore_index=NOT_KNOWN, reduction="sum")
    return summed / (wanted != NOT_KNOWN).sum().clamp(min=1)


def word_loss(logits: Tensor, plan: Plan) -> Tensor:
    """The CTC loss a word. `logits` has the shape (windows, frames, words + 2)."""
    words = torch.tensor([said.word for window in plan.words for said in window], device=logits.device)
    counts = torch.tensor([len(window) for window in plan.words])
    frames = torch.tensor([min(logits.shape[1], math.ceil(size / FRAME)) for size in plan.sizes])
    chances = logits.log_softmax(-1).transpose(0, 1)
    summed = functional.ctc_loss(chances, words, frames, counts, BLANK_ID, reduction="sum", zero_infinity=True)
    return summed / max(1, len(words))


def hide(features: Tensor) -> Tensor:
    """Features (batch, frames, mels) with one short band of pitch and one short time hidden in each."""
    size, frames, mels = features.shape
    device = features.device
    band, time = torch.arange(mels, device=device), torch.arange(frames, device=device)
    lowest = torch.rand(size, 1, device=device) * mels
    width = torch.rand(size, 1, device=device) * 12
    first = torch.rand(size, 1, device=device) * frames
    lasting = torch.rand(size, 1, device=device) * 12
    hidden = ((band >= lowest) & (band < lowest + width))[:, None]
    hidden = hidden | ((time >= first) & (time < first + lasting))[:, :, None]
    return features.masked_fill(hidden, 0.0)


class Batches(Dataset[Batch]):
    """A plan for each step, with the features of its windows (windows, frames, mels) and their mask."""

    def __init__(self, clips: Clips, planner: Planner, seed: int) -> None:
        self._samples, self._planner, self._seed = clips.samples, planner, seed

    def __len__(self) -> int:
        return len(self._planner)

    @torch.no_grad()
    def __getitem__(self, step: int) -> Batch:
        torch.manual_seed(self._seed * len(self) + step)
        plan = self._planner[step]
        inputs = read_features(disturb(place_clips(self._samples, plan)), plan.sizes)
        return plan, inputs["input_features"], inputs["attention_mask"]


def _draw(batches: Batches, first: int, workers: int) -> Iterator[Batch]:
    steps = range(first, len(batches))
    return iter(DataLoader(batches, batch_size=None, sampler=steps, num_workers=workers, collate_fn=_same))


def _same(batch: Batch) -> Batch:
    return batch
