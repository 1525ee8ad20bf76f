"""The networks and their training: a vision transformer and a text decoder that looks at it, in BLIP's layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers import BlipConfig, BlipForConditionalGeneration

from tools.train.describe.tokens import MAX_TOKENS, build_tokenizer
from tools.train.image.drawing import IMAGE_SIZE
from tools.train.shared.degraded import to_inputs, waver
from tools.train.shared.device import autocast

if TYPE_CHECKING:
    from tools.train.shared.pool import Arrays

WIDTH = 128
MEAN = STD = [0.5, 0.5, 0.5]
BATCH_SIZE = 256
EXAMPLES = 120_000
LEARNING_RATE = 1.5e-3
WAVER = 0.9


def build_model() -> BlipForConditionalGeneration:
    """The untrained networks: 1.1M parameters."""
    tokenizer = build_tokenizer()
    text = {
        "vocab_size": len(tokenizer), "hidden_size": WIDTH, "encoder_hidden_size": WIDTH, "projection_dim": WIDTH,
        "intermediate_size": 2 * WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4,
        "max_position_embeddings": MAX_TOKENS,
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.sep_token_id,
        "sep_token_id": tokenizer.sep_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    vision = {
        "hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "projection_dim": WIDTH, "num_hidden_layers": 4,
        "num_attention_heads": 4, "image_size": IMAGE_SIZE, "patch_size": 8, "initializer_range": 0.02,
    }  # fmt: skip
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=WIDTH)
    model = BlipForConditionalGeneration(config)
    nn.init.normal_(model.vision_model.embeddings.class_embedding, std=0.02)
    nn.init.normal_(model.vision_model.embeddings.position_embedding, std=0.02)
    return model


class Lesson:
    """The examples on the device, and the loss of a step on a random batch of them."""

    def __init__(self, examples: Arrays, device: str, batch_size: int, seed: int) -> None:
        self._pixels, self._inputs, self._targets = (torch.from_numpy(array).to(device) for array in examples)
        self._device = device
        self._batch_size = batch_size
        torch.manual_seed(seed)

    def loss(self, model: nn.Module, _fraction: float) -> Tensor:
        """The mean cross entropy of the words to predict, of one text a picture."""
        assert isinstance(model, BlipForConditionalGeneration)
        picked = torch.randint(len(self._pixels), (self._batch_size,), device=self._device)
        text = torch.randint(self._inputs.shape[1], (self._batch_size,), device=self._device)
        inputs, targets = self._inputs[picked, text].long(), self._targets[picked, text].long()
        pixels = waver(to_inputs(self._pixels[picked], MEAN, STD), WAVER)
        with autocast(self._device):
            seen = model.vision_model(pixel_values=pixels).last_hidden_state
            logits = model.text_decoder(
                input_ids=inputs, attention_mask=torch.ones_like(inputs), encoder_hidden_states=seen
            ).logits
        return nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=-100)
