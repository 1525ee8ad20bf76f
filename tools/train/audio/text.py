"""A minute of training for the text encoder alone. It learns to name the attributes that a caption states."""

import logging

import numpy as np
import torch
from torch import Tensor, nn
from transformers import BatchEncoding, MusicgenForConditionalGeneration, PreTrainedTokenizerFast

from tools.train.audio.captions import Captioned, draw_captioned
from tools.train.audio.networks import TEXT_WIDTH
from tools.train.audio.world import INSTRUMENTS, MODES, REGISTERS, TEMPI
from tools.train.shared.budget import Budget
from tools.train.shared.optimizer import MuonWithAdam

log = logging.getLogger(__name__)

BATCH_SIZE = 64
LEARNING_RATE = 3e-3
STREAM = 2
VALUES = {"instrument": INSTRUMENTS, "register": REGISTERS, "tempo": TEMPI, "mode": MODES}


def tokenize(tokenizer: PreTrainedTokenizerFast, captions: list[str]) -> BatchEncoding:
    """Token ids and attention mask of captions, both (captions, tokens)."""
    return tokenizer(captions, padding=True, return_tensors="pt")


def _label(attribute: str, drawn: Captioned) -> int:
    """The index of the attribute's value, or one past the last if the caption does not state it."""
    values = VALUES[attribute]
    return values.index(getattr(drawn.piece, attribute)) if attribute in drawn.stated else len(values)


def train_text_encoder(
    model: MusicgenForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, seconds: float, seed: int
) -> None:
    """Train the text encoder with a linear head for each attribute. The heads are discarded."""
    heads = nn.ModuleDict({name: nn.Linear(TEXT_WIDTH, len(values) + 1) for name, values in VALUES.items()})
    network = nn.ModuleDict({"encoder": model.text_encoder, "heads": heads})
    optimizer = MuonWithAdam(network.named_parameters(), LEARNING_RATE, ("embed", "shared", "heads", "bias"))
    budget = Budget(seconds)
    step = 0
    while budget.fraction < 1:
        rng = np.random.default_rng((seed, STREAM, step))
        drawn = [draw_captioned(rng, held_out=False) for _ in range(BATCH_SIZE)]
        hidden = _pooled(model, tokenize(tokenizer, [one.text for one in drawn]))
        loss = torch.zeros(())
        for name, head in heads.items():
            labels = torch.tensor([_label(name, one) for one in drawn])
            loss = loss + nn.functional.cross_entropy(head(hidden), labels)
        loss.backward()
        optimizer.step(lr_scale=1 - budget.fraction)
        step += 1
        if step % 50 == 0:
            log.info("text step %d, %.0f s, loss %.4f", step, budget.spent, loss.item())


def _pooled(model: MusicgenForConditionalGeneration, tokens: BatchEncoding) -> Tensor:
    """The mean of the text encoder's output over the tokens of each caption, (captions, width)."""
    hidden = model.text_encoder(**tokens).last_hidden_state
    mask = tokens.attention_mask[..., None]
    mean: Tensor = (hidden * mask).sum(1) / mask.sum(1)
    return mean
