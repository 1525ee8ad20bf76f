"""Choosing the next token of each item of a group. The items share their options; each has its own randomness.

A sequence is what transformers calls one: there is one for each item, or one for each codebook of a sound.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from genai_cli.errors import ResultError
from genai_cli.modality.decoding.settings import DRAWING, build_drawing

if TYPE_CHECKING:
    import torch

    Processor = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    """From the token ids so far and the scores to new scores, as in transformers' generate."""


class OwnChance:
    """A logits processor that adds Gumbel noise to each sequence: the likeliest token is then an exact sample.

    The noise of an item depends on its seed and the step alone. So an item is the same in any group, at any place.
    Source: the Gumbel-max trick, https://arxiv.org/abs/1411.0030, section 2. `sequences_per_item` consecutive sequences
    belong to one item (the codebooks of a sound).
    """

    def __init__(self, seeds: Sequence[int], device: "torch.device | str", sequences_per_item: int = 1) -> None:
        import torch

        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self.sequences_per_item = sequences_per_item

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """Scores of shape (items * sequences_per_item, vocabulary), with noise."""
        import torch

        del input_ids
        smallest = torch.finfo(torch.float32).tiny
        noise = torch.empty_like(scores, dtype=torch.float32)
        for part, generator in zip(noise.split(self.sequences_per_item), self.generators, strict=True):
            part.exponential_(generator=generator)
        return scores - noise.clamp_min_(smallest).log_()


class FiniteScores:
    """A logits processor that notes in `broken`, of shape (sequences,), which had scores that are not finite."""

    def __init__(self) -> None:
        self.broken: torch.Tensor | None = None

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """The scores as they are."""
        del input_ids
        broken = ~scores.amax(dim=-1).isfinite()  # the largest score is NaN if any is
        self.broken = broken if self.broken is None else self.broken | broken
        return scores

    @staticmethod
    def describe() -> ResultError:
        """The error of an item whose scores were not finite."""
        return ResultError("the model's probabilities are not finite (NaN)", hint="try --dtype float32")

    def find_broken_items(self, items: int) -> list[bool]:
        """For each item whether any of its sequences had scores that were not finite."""
        if self.broken is None:
            return [False] * items
        broken: list[bool] = self.broken.reshape(items, -1).any(dim=1).tolist()
        return broken


class GuidedProcessor:
    """A logits processor that applies other processors to the scores of classifier-free guidance.

    MusicGen's generate appends its guidance to the processors that it is given, so they would run before it, on twice
    the sequences. This one computes the guided scores itself, applies the processors, and returns the result twice. The
    library's guidance then gives exactly that result: u + (c - u) * scale, with c equal to u.
    """

    def __init__(self, scale: float | None, sequences: int, processors: "Sequence[Processor]") -> None:
        from transformers import ClassifierFreeGuidanceLogitsProcessor

        self.guidance = ClassifierFreeGuidanceLogitsProcessor(scale) if scale is not None and scale > 1 else None
        self.sequences = sequences
        """The sequences without guidance; with guidance there are twice as many."""
        self.processors = processors

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """Scores of the given shape: (sequences, vocabulary), or (2 * sequences, vocabulary) with guidance."""
        import torch

        if self.guidance is None or scores.shape[0] != 2 * self.sequences:
            return self.apply(input_ids, scores)
        guided = self.apply(input_ids, self.guidance(input_ids, scores))
        # The guidance subtracts, and -inf minus -inf is NaN.
        finite = guided.masked_fill(guided == -torch.inf, torch.finfo(guided.dtype).min)
        return torch.cat([finite, finite])

    def apply(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """The scores after all processors."""
        for processor in self.processors:
            scores = processor(input_ids, scores)
        return scores


class WithoutPadding:
    """A logits processor that hides the padding on the left from another processor, which counts tokens."""

    def __init__(self, processor: "Processor", padding: "torch.Tensor") -> None:
        self.processor = processor
        self.padding = padding  # how many tokens of each sequence are padding, of shape (sequences, 1)

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """The scores after the other processor, which sees a repeated token of the sequence in place of padding."""
        import torch

        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        return self.processor(torch.where(positions < self.padding, input_ids[:, -1:], input_ids), scores)


class ForEachItem:
    """A logits processor that runs another one on each sequence without its padding: it looks for runs of tokens."""

    def __init__(self, processor: "Processor", padding: "torch.Tensor") -> None:
        self.processor = processor
        self.padding: list[int] = padding.flatten().tolist()

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """The scores of all sequences after the other processor."""
        import torch

        return torch.cat(
            [
                self.processor(input_ids[at : at + 1, padding:], scores[at : at + 1])
                for at, padding in enumerate(self.padding)
            ]
        )


class NoEndBefore:
    """A logits processor that forbids the end tokens until an item has its least number of new tokens."""

    def __init__(self, least: Sequence[int], ends: Sequence[int], width: int) -> None:
        self.least = least
        self.ends = list(ends)
        self.width = width  # the tokens in front of the new ones

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """The scores of all items, without the end tokens where it is too early."""
        import torch

        made = input_ids.shape[1] - self.width
        early = torch.tensor([made < least for least in self.least], device=scores.device)
        forbidden = torch.zeros_like(scores, dtype=torch.bool)
        forbidden[:, self.ends] = early[:, None]
        return scores.masked_fill(forbidden, -torch.inf)


def build_sampling_processors(
    temperature: float | None, top_k: int | None, top_p: float | None, stated: Mapping[str, object] | None = None
) -> "list[Processor]":
    """The library's own processors for these options, and for what a checkpoint states, in the library's order."""
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    more = {name: (stated or {})[name] for name in DRAWING if name in (stated or {})}
    processors: list[Processor] = []
    if temperature not in (None, 1):
        processors.append(TemperatureLogitsWarper(float(temperature)))
    if "top_h" in more:
        processors.append(build_drawing("top_h", more.pop("top_h")))
    if top_k:
        processors.append(TopKLogitsWarper(top_k))
    if top_p is not None and top_p < 1:
        processors.append(TopPLogitsWarper(top_p))
    return processors + [build_drawing(name, value) for name, value in more.items()]
