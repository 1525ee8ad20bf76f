"""Choosing the next token of each item of a group: the options are shared, the chance is each item's own."""

from collections.abc import Sequence
from typing import Any


class OwnChance:
    """A logits processor that adds each row's own Gumbel noise: the likeliest token is then an exact sample.

    A row's noise depends on its seed and the step alone, so that an item is the same in any group, at any place in it.
    Source: the Gumbel-max trick, https://arxiv.org/abs/1411.0030, section 2. `rows_of_item` consecutive rows belong to
    one item (the codebooks of a sound).
    """

    def __init__(self, seeds: Sequence[int], device: Any, rows_of_item: int = 1) -> None:
        import torch

        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self.rows_of_item = rows_of_item

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores of shape (items * rows_of_item, vocabulary), with noise."""
        import torch

        del input_ids
        smallest = torch.finfo(torch.float32).tiny
        noise = torch.empty_like(scores, dtype=torch.float32)
        for rows, generator in zip(noise.split(self.rows_of_item), self.generators, strict=True):
            rows.exponential_(generator=generator)
        return scores - noise.clamp_min_(smallest).log_()


class FiniteRows:
    """A logits processor that notes which rows have no finite scores, a bool tensor of shape (rows,) in `broken`."""

    def __init__(self) -> None:
        self.broken: Any = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The scores as they are."""
        del input_ids
        broken = ~scores.amax(dim=-1).isfinite()  # the largest is NaN where any is
        self.broken = broken if self.broken is None else self.broken | broken
        return scores


class WithoutPadding:
    """A logits processor that hides the padding on the left from another one, which counts tokens."""

    def __init__(self, processor: Any, padding: Any) -> None:
        self.processor = processor
        self.padding = padding  # tokens of it in each row, of shape (rows, 1)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """What the other makes of the scores; in place of padding it sees a token that the row holds anyway."""
        import torch

        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        return self.processor(torch.where(positions < self.padding, input_ids[:, -1:], input_ids), scores)


def sampling_processors(temperature: float | None, top_k: int | None, top_p: float | None) -> list[Any]:
    """The library's own processors for these options, in the order in which it applies them."""
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    processors: list[Any] = []
    if temperature not in (None, 1):
        processors.append(TemperatureLogitsWarper(float(temperature)))
    if top_k:
        processors.append(TopKLogitsWarper(top_k))
    if top_p is not None and top_p < 1:
        processors.append(TopPLogitsWarper(top_p))
    return processors
