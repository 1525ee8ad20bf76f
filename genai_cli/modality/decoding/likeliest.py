"""The likeliest next tokens at each step, with their shares as the model gives them: before temperature and top_p."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

SHOWN = 5  # tokens at each step
LEAST = -9999.0  # the logarithm that OpenAI's API states for a share of nothing


class Likeliest:
    """Watches a group's scores as a logits processor, and its tokens as a stopping criterion; both change nothing."""

    def __init__(self) -> None:
        self.steps: list[tuple[list[list[int]], list[list[float]]]] = []
        """At each step the likeliest tokens of each item, and the logarithms of their shares."""
        self.chosen: list[list[tuple[int, float]]] = []
        """At each step the token of each item, and the logarithm of its share."""
        self.last: torch.Tensor | None = None

    def watch_scores(self, input_ids: "torch.Tensor", scores: "torch.Tensor") -> "torch.Tensor":
        """The scores as they are, of shape (items, vocabulary)."""
        del input_ids
        self.last = scores.float().log_softmax(dim=-1)
        top = self.last.topk(min(SHOWN, scores.shape[-1]), dim=-1)
        self.steps.append((top.indices.tolist(), top.values.tolist()))
        return scores

    def watch_tokens(self, input_ids: "torch.Tensor", *_: object, **__: object) -> "torch.Tensor":
        """Which items have ended as far as this is concerned: none."""
        import torch

        if self.last is not None:
            tokens = input_ids[:, -1:].to(self.last.device)
            shares = self.last.gather(1, tokens)[:, 0].tolist()
            self.chosen.append(list(zip(tokens[:, 0].tolist(), shares, strict=True)))
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)

    def describe(self, item: int, count: int, tokenizer: "PreTrainedTokenizerBase") -> list[JsonObject]:
        """The first `count` steps of an item, in the form of OpenAI's API (logprobs.content of a chat completion)."""
        return [
            {
                **name_token(*chosen[item], tokenizer),
                "top_logprobs": list_tokens(tokens[item], shares[item], tokenizer),
            }
            for chosen, (tokens, shares) in zip(self.chosen[:count], self.steps, strict=False)
        ]


def list_tokens(
    tokens: Sequence[int], shares: Sequence[float], tokenizer: "PreTrainedTokenizerBase"
) -> list[JsonObject]:
    """Tokens with the logarithms of their shares."""
    return [name_token(token, share, tokenizer) for token, share in zip(tokens, shares, strict=True)]


def name_token(token: int, share: float, tokenizer: "PreTrainedTokenizerBase") -> JsonObject:
    """A token's text with the logarithm of its share."""
    return {"token": tokenizer.decode([token]), "logprob": round(max(share, LEAST), 6)}
