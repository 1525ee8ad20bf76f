"""Texts as windows of tokens: how many tokens a model reads at once, and which windows it takes together."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

POSITION_TABLES = ("position_embeddings", "embed_positions", "wpe")  # what transformers' models call them
WITHOUT_LIMIT = 2**31 - 1  # tokens; tokenizers takes no larger number as a length


def find_window(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> int:
    """How many tokens the model reads at once, special ones included."""
    return int(min([tokenizer.model_max_length, *find_position_limits(model), WITHOUT_LIMIT]))


def find_position_limits(model: "PreTrainedModel") -> Iterator[int]:
    """How many positions the configuration states, and how many each table of positions holds.

    RoBERTa and its relatives (CamemBERT, XLM-R, MPNet, Longformer, Data2Vec and others) count from the one after the
    padding index on. Their tables have such an index, and no others do.
    """
    stated = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if stated and stated > 0:
        yield stated
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if name.rpartition(".")[2] in POSITION_TABLES and weight is not None:
            padding = getattr(module, "padding_idx", None)
            yield len(weight) if padding is None else len(weight) - padding - 1


def restore_attention(model: "PreTrainedModel") -> None:
    """Give BigBird the attention that its configuration states: after one short text it would keep another for all."""
    stated = getattr(model.config, "attention_type", None)
    if stated == "block_sparse":
        for module in model.modules():
            if hasattr(module, "set_attention_type"):
                module.set_attention_type(stated)


def group_alike(windows: Sequence[Sequence[int]], size: int) -> Iterator[list[int]]:
    """The positions of windows of one length, at most `size` at a time.

    Windows of one length go through a model together: without padding, no result depends on what is beside it.
    """
    alike: dict[int, list[int]] = {}
    for position, tokens in enumerate(windows):
        alike.setdefault(len(tokens), []).append(position)
    for positions in alike.values():
        for first in range(0, len(positions), size):
            yield positions[first : first + size]
