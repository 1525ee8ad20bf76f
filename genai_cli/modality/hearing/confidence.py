"""How sure a model is of the tokens that it chooses, and the choice itself where chance takes part."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from genai_cli.modality.decoding.sampling import OwnChance

if TYPE_CHECKING:
    import torch


class Confidence:
    """A logits processor that sums the log probability of each item's tokens, which it chooses: at 0 the likeliest.

    The scores of all steps would take gigabytes. Chance is each item's own: it is the same in any group.
    """

    def __init__(self, temperature: float, seeds: Sequence[int], ends: Sequence[int], device: "torch.device") -> None:
        import torch

        self.temperature = temperature
        self.chance = OwnChance(seeds, device) if temperature else None
        self.sums = torch.zeros(len(seeds), device=device)
        self.counts = torch.zeros(len(seeds), device=device)
        self.over = torch.zeros(len(seeds), dtype=torch.bool, device=device)
        self.ends = torch.tensor(list(ends), device=device)

    def __call__(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """Scores of shape (items, vocabulary), of which the greatest is the choice."""
        import torch

        logprobs = scores.float().log_softmax(dim=-1)
        chosen = scores if self.chance is None else self.chance(input_ids, scores.float() / self.temperature)
        tokens = chosen.argmax(dim=-1, keepdim=True)
        gained = logprobs.gather(-1, tokens).squeeze(-1)
        self.sums += torch.where(self.over, 0, gained)
        self.counts += (~self.over).float()
        self.over |= torch.isin(tokens.squeeze(-1), self.ends)
        return chosen

    def average(self) -> list[float]:
        """The mean of each item's log probabilities, its end included."""
        means: list[float] = (self.sums / self.counts.clamp(min=1)).tolist()
        return means
