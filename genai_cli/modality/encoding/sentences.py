"""Texts as vectors, by an encoder of transformers and what its files state of pooling, layers and prompts."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genai_cli.errors import InputError, ModelError, nearest
from genai_cli.hub.storage import read_json
from genai_cli.modality.decoding.batch_invariance import make_batch_invariant
from genai_cli.modality.encoding.modules import Recipe, pool, read_recipe
from genai_cli.modality.encoding.windows import find_window, group_alike, restore_attention

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from transformers import BatchEncoding

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

AT_ONCE = 64  # texts of one length in one call of the model
NO_PROMPT = "none"
ENCODERS_ALONE = ("t5", "mt5", "umt5")  # of which the encoder is taken


@dataclass(frozen=True)
class Encoded:
    """A vector of shape (width,), how many tokens of the text were read, and whether it had more."""

    vector: "NDArray[np.float32]"
    tokens: int
    is_cut: bool = False


class SentenceEncoder:
    """An encoder, its tokenizer, and its recipe."""

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load it. Raises ModelError, RefusedError for a module that brings code."""
        from genai_cli.device.loading import load_companion, load_model

        self.name = files.reference.id
        self.recipe: Recipe = read_recipe(files.folder)
        self.tokenizer = load_companion("AutoTokenizer", files)
        if not self.tokenizer.is_fast:
            raise ModelError(f"{self.name} has no tokenizer that tells where a text is cut (tokenizer.json)")
        model_type = read_json(files.folder, "config.json").get("model_type")
        class_name = "AutoModelForTextEncoding" if model_type in ENCODERS_ALONE else "AutoModel"
        self.model = load_model(class_name, files, placement, idle="pooler")
        if placement.device == "cpu":
            make_batch_invariant(self.model)
        self.inputs = list(inspect.signature(self.model.forward).parameters)
        self.window = min(find_window(self.model, self.tokenizer), self.recipe.length or 2**31)

    @property
    def normalizes(self) -> bool:
        """Whether its vectors have the length 1."""
        return self.recipe.normalize

    def find_prompt(self, name: str | None, *, is_query: bool) -> str | None:
        """The name of the prompt that comes before a text; None for none. Raises InputError for an unknown one."""
        prompts = self.recipe.prompts
        if name == NO_PROMPT:
            return None
        if name is None:
            return "query" if is_query and "query" in prompts else self.recipe.default_prompt
        if name not in prompts:
            hint = nearest(name, list(prompts)) or f"its prompts: {', '.join(prompts) or 'none'}"
            raise InputError(f"{self.name} has no prompt {name!r}", hint=hint)
        return name

    def encode(self, texts: Sequence[str], prompts: Sequence[str | None], pooling: str | None) -> list[Encoded]:
        """The vectors of texts, each with the prompt of that name before it.

        `pooling` is what the files state where it is None, and the mean where they state nothing.
        """
        before = [self.recipe.prompts[name] if name else "" for name in prompts]
        ways = (pooling,) if pooling else self.recipe.pooling or ("mean",)
        skipped = [0 if self.recipe.include_prompt else self.count_tokens(prompt) for prompt in before]
        encoded, is_cut = self.tokenize([prompt + text for prompt, text in zip(before, texts, strict=True)])
        found: dict[int, Encoded] = {}
        for positions in group_alike(encoded["input_ids"], AT_ONCE):
            hidden = self.run(encoded, positions)
            for position, states in zip(positions, hidden, strict=True):
                # One at a time: a sum over several may take another order.
                vector = pool(states[None], ways, skipped[position])
                for layer in self.recipe.layers:
                    vector = layer.apply(vector)
                found[position] = Encoded(vector[0].numpy(), len(states), is_cut[position])
        return [found[position] for position in range(len(texts))]

    def tokenize(self, texts: list[str]) -> "tuple[BatchEncoding, list[bool]]":
        """The tokens of each text as far as the model reads, and whether there are more."""
        read = [text.lower() for text in texts] if self.recipe.lowercase else texts
        encoded = self.tokenizer(read, truncation=True, max_length=self.window, return_overflowing_tokens=True)
        owners: list[int] = encoded.pop("overflow_to_sample_mapping")
        firsts = [owners.index(place) for place in range(len(texts))]
        for name, values in encoded.items():
            encoded[name] = [values[first] for first in firsts]
        return encoded, [owners.count(place) > 1 for place in range(len(texts))]

    def run(self, encoded: "BatchEncoding", positions: Sequence[int]) -> "torch.Tensor":
        """Hidden states of shape (texts, tokens, width), for texts of one length."""
        import torch

        inputs = {
            name: torch.tensor([values[position] for position in positions], device=self.model.device)
            for name, values in encoded.items()
            if name in self.inputs
        }
        restore_attention(self.model)
        with torch.inference_mode():
            states: torch.Tensor = self.model(**inputs).last_hidden_state
        return states.float().cpu()

    def count_tokens(self, prompt: str) -> int:
        """How many tokens of a text belong to its prompt: those before it, and not the one that ends every text."""
        if not prompt:
            return 0
        tokens: list[int] = self.tokenizer(prompt).input_ids
        return len(tokens) - (tokens[-1] in self.tokenizer.all_special_ids)
