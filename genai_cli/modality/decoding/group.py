"""Texts of different lengths that are made at once. What changes the scores of one knows nothing of the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genai_cli.modality.decoding.sampling import ForEachItem, NoEndBefore, WithoutPadding
from genai_cli.modality.decoding.settings import SHAPING, build_shaping

if TYPE_CHECKING:
    import torch

    from genai_cli.modality.decoding.sampling import Processor

LOOK_BACK = ("no_repeat_ngram_size", "bad_words_ids")
LEAST_LENGTHS = ("min_length", "min_new_tokens")


@dataclass(frozen=True)
class Group:
    """The items' prompts by their lengths, padded on the left, and the tokens that end a text."""

    lengths: Sequence[int]
    ends: Sequence[int]
    device: "torch.device"

    @property
    def width(self) -> int:
        """The length of all prompts with their padding."""
        return max(self.lengths)

    def shape_scores(self, repetition_penalty: float | None, applied: Mapping[str, object]) -> "list[Processor]":
        """The library's processors, in its order, for a penalty and for what a checkpoint states."""
        import torch
        from transformers import RepetitionPenaltyLogitsProcessor

        padding = torch.tensor([[self.width - length] for length in self.lengths], device=self.device)
        shaping = {
            name: build_shaping(name, applied[name], self.ends, self.width, self.device)
            for name in SHAPING
            if name in applied and name not in LEAST_LENGTHS
        }
        chosen: list[Processor] = []
        if "sequence_bias" in shaping:
            chosen.append(ForEachItem(shaping.pop("sequence_bias"), padding))
        if repetition_penalty not in (None, 1):
            chosen.append(WithoutPadding(RepetitionPenaltyLogitsProcessor(float(repetition_penalty)), padding))
        chosen += [ForEachItem(shaping.pop(name), padding) for name in LOOK_BACK if name in shaping]
        if self.ends and any(name in applied for name in LEAST_LENGTHS):
            chosen.append(NoEndBefore(self.find_least_lengths(applied), self.ends, self.width))
        return [*chosen, *shaping.values()]

    def find_least_lengths(self, applied: Mapping[str, object]) -> list[int]:
        """How many new tokens each item has at least; `min_length` counts the prompt too."""
        new, whole = (int(str(applied.get(name, 0))) for name in ("min_new_tokens", "min_length"))
        return [max(new, whole - length) for length in self.lengths]
