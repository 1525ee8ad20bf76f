"""What a language model reads: prompts of several items side by side, and where they end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase


def keep_positions_below(model: "PreTrainedModel", context: int) -> None:
    """Items that have ended are read on until the last one has, past the positions that the model knows.

    What comes of them there is thrown away; it only must not fail.
    """

    def hold(_model: "PreTrainedModel", arguments: tuple[object, ...], options: JsonObject) -> object:
        if options.get("position_ids") is not None:
            options["position_ids"] = options["position_ids"].clamp(max=context - 1)
        return arguments, options

    model.register_forward_pre_hook(hold, with_kwargs=True)


def pad_left(prompts: Sequence[Sequence[int]], padding: int) -> "tuple[Tensor, Tensor]":
    """Token ids and attention mask of shape (items, longest)."""
    import torch

    longest = max(map(len, prompts))
    tokens = torch.full((len(prompts), longest), padding)
    mask = torch.zeros_like(tokens)
    for position, prompt in enumerate(prompts):
        tokens[position, longest - len(prompt) :] = torch.tensor(prompt)
        mask[position, longest - len(prompt) :] = 1
    return tokens, mask


def list_ends(stated: "GenerationConfig", tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """The tokens that end a text."""
    end = stated.eos_token_id if stated.eos_token_id is not None else tokenizer.eos_token_id
    return list(end) if isinstance(end, list) else [] if end is None else [end]
