"""Measures an exported prose model on held-out novels and on its own text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools.train.text.books import HELD_OUT, find_words, read_books
from tools.train.text.metrics import bits_per_byte, closed_quote_share, known_word_share

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PROMPTS = (
    "It was a dark and stormy",
    "The old house stood at the end of the lane, and",
    '"My dear Watson,"',
    "She looked at him for a long time before she",
    "There was once a",
    "In the morning the ship",
    "I had scarcely reached the door when",
    '"I cannot tell you,"',
    "He was a tall man, with",
    "Nothing could have been more",
    "We travelled all night, and at dawn",
    "The letter was from my sister; it",
)
SAMPLES_A_PROMPT = 4
NEW_TOKENS = 160


@dataclass(frozen=True)
class Continuation:
    """A prompt and the model's text after it."""

    prompt: str
    text: str


@dataclass(frozen=True)
class TextFigures:
    """What was measured on the exported weights."""

    bits_per_byte: dict[str, float]
    """by held-out novel"""
    known_words: float
    """share of the generated words that occur in the training books"""
    known_words_held_out: float
    """the same share for the words of the held-out novels"""
    closed_quotes: float
    closed_quotes_held_out: float
    continuations: list[Continuation]
    """the first one for each prompt"""


def load(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The exported model as float32 on the cpu, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(
        folder
    )


def text_nats(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str, batch_size: int = 16) -> float:
    """Negative log-likelihood of `text` in nats. Windows overlap by half, so most tokens have that much context."""
    import torch
    from torch.nn import functional

    context = model.config.n_positions
    stride = context // 2
    tokens = torch.tensor([tokenizer.bos_token_id, *tokenizer(text, verbose=False).input_ids])
    padded = functional.pad(tokens, (0, context + 1 - len(tokens) % stride), value=-100)
    windows = padded.unfold(0, context + 1, stride)
    inputs, targets = windows[:, :-1].clamp(min=0), windows[:, 1:].clone()
    targets[1:, :stride] = -100
    total = 0.0
    with torch.inference_mode():
        for start in range(0, len(windows), batch_size):
            logits = model(input_ids=inputs[start : start + batch_size]).logits
            aims = targets[start : start + batch_size]
            total += functional.cross_entropy(logits.flatten(0, 1), aims.flatten(), reduction="sum").item()
    return total


def continue_prompts(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, seed: int = 0) -> list[Continuation]:
    """SAMPLES_A_PROMPT continuations of NEW_TOKENS tokens for each prompt, sampled as the generation config says."""
    import torch

    torch.manual_seed(seed)
    found = []
    for prompt in PROMPTS:
        inputs = tokenizer([prompt] * SAMPLES_A_PROMPT, return_tensors="pt", return_token_type_ids=False)
        outputs = model.generate(**inputs, max_new_tokens=NEW_TOKENS)
        new = outputs[:, inputs["input_ids"].shape[1] :]
        found += [Continuation(prompt, text) for text in tokenizer.batch_decode(new, skip_special_tokens=True)]
    return found


def measure(folder: Path, data: Path) -> TextFigures:
    """Bits per byte on the held-out novels, and the words and quotes of sampled continuations."""
    model, tokenizer = load(folder)
    books = read_books(data)
    held_out = {name: books[name] for name in HELD_OUT}
    known = {word for name, text in books.items() if name not in HELD_OUT for word in find_words(text)}
    continuations = continue_prompts(model, tokenizer)
    # The token limit may have cut the last word.
    whole = [item.text.rpartition(" ")[0] for item in continuations]
    return TextFigures(
        bits_per_byte={name: bits_per_byte(text_nats(model, tokenizer, text), text) for name, text in held_out.items()},
        known_words=known_word_share(whole, known),
        known_words_held_out=known_word_share(list(held_out.values()), known),
        closed_quotes=closed_quote_share([item.prompt + item.text for item in continuations]),
        closed_quotes_held_out=closed_quote_share(list(held_out.values())),
        continuations=continuations[::SAMPLES_A_PROMPT],
    )
