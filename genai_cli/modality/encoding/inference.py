"""Pairs of a text and a hypothesis: a model of natural language inference (NLI) says whether one entails the other."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from genai_cli.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Encoding
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

ENTAILS = "entail"  # the beginning of the label in the checkpoints: ENTAILMENT, entailment
OVERLAP = 0.25  # of a window of a text, shared with the next
LEAST = 8  # tokens of the text that a window must have room for


def find_entailment(config: "PretrainedConfig") -> tuple[int, int]:
    """The outputs that say "entailed" and "contradicted". Raises InputError where a model has none."""
    found = find_entailing(config.id2label)
    if found is None:
        raise InputError("the model has no label for entailment")
    others = [index for index in range(config.num_labels) if index != found]
    named = [index for index in others if str(config.id2label[index]).lower().startswith("contra")]
    return found, (named or others)[0]


def find_entailing(names: Mapping[int, str]) -> int | None:
    """The output whose label says "entailed"; None for a model of another kind."""
    return next((int(index) for index, name in names.items() if str(name).lower().startswith(ENTAILS)), None)


class Pairs:
    """Hypotheses as tokens, and the pairs that texts make with them; each text and each hypothesis is read once."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", hypotheses: Sequence[str], window: int) -> None:
        """The tokens of the hypotheses. Raises InputError where one leaves no room for a text in the window."""
        self.backend = tokenizer.backend_tokenizer
        self.backend.no_padding()
        self.backend.no_truncation()
        self.has_types = "token_type_ids" in tokenizer.model_input_names
        self.hypotheses = [self.backend.encode(text, add_special_tokens=False) for text in hypotheses]
        longest = max(map(len, self.hypotheses))
        self.room = window - longest - self.backend.num_special_tokens_to_add(is_pair=True)
        if self.room < LEAST:
            raise InputError(f"a label is too long: the model reads {window} tokens of a text and a label together")

    def encode(self, texts: Sequence[str]) -> tuple[dict[str, list[list[int]]], list[int]]:
        """The tokens of each window of each text with each hypothesis, and the text that each window is of.

        A text that is longer than the window has room for is cut into windows that overlap.
        """
        pairs: list[Encoding] = []
        owners: list[int] = []
        for owner, encoding in enumerate(self.backend.encode_batch(list(texts), add_special_tokens=False)):
            encoding.truncate(self.room, stride=int(self.room * OVERLAP))
            for window in (encoding, *encoding.overflowing):
                owners.append(owner)
                pairs += [self.backend.post_process(window, hypothesis) for hypothesis in self.hypotheses]
        found = {"input_ids": [pair.ids for pair in pairs], "attention_mask": [pair.attention_mask for pair in pairs]}
        if self.has_types:
            found["token_type_ids"] = [pair.type_ids for pair in pairs]
        return found, owners
