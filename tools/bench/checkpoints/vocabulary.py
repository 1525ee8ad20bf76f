"""Vocabularies of the real sizes, made of letter combinations. Tokenizers have to load and search them."""

import json
from collections.abc import Iterator
from itertools import chain, islice, product
from pathlib import Path
from string import ascii_lowercase as LETTERS
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

END = "<|endoftext|>"
CLIP_SIZE, GPT2_SIZE, BERT_SIZE, T5_SIZE, T5_EXTRA = 49408, 50257, 30522, 32000, 100
PUNCTUATION = ".,!?'\"-:;()"
Merge = tuple[str, str]


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def combinations(length: int) -> Iterator[str]:
    """All strings of `length` letters."""
    return map("".join, product(LETTERS, repeat=length))


def clip_merges() -> Iterator[Merge]:
    """Pairs that make all two and three letters, inside and at the end of a word, then four letters."""
    for last in ("", "</w>"):
        yield from ((first, second + last) for first, second in product(LETTERS, LETTERS))
    for last in ("", "</w>"):
        yield from ((pair, letter + last) for pair, letter in product(combinations(2), LETTERS))
    yield from product(combinations(2), combinations(2))


def gpt2_merges() -> Iterator[Merge]:
    """Pairs that make all two and three letters, after a space and inside a word, then four letters."""
    yield from (("Ġ", letter) for letter in LETTERS)
    for space in ("", "Ġ"):
        yield from ((space + first, second) for first, second in product(LETTERS, LETTERS))
    for space in ("", "Ġ"):
        yield from ((space + pair, letter) for pair, letter in product(combinations(2), LETTERS))
    yield from product(combinations(2), combinations(2))


def write_byte_pairs(folder: Path, letters: list[str], merges: Iterator[Merge], special: list[str], size: int) -> Any:
    """Write the two files of a byte-level BPE with `size` tokens. Returns its vocabulary and its merges."""
    chosen = list(islice(merges, size - len(letters) - len(special)))
    tokens = [*letters, *(first + second for first, second in chosen), *special]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    write_json(folder / "vocab.json", vocabulary)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in chosen)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return vocabulary, chosen


def write_clip_tokenizer(folder: Path) -> None:
    """Write the tokenizer of Stable Diffusion 1.5, which has no tokenizer.json."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    letters = [*alphabet, *(letter + "</w>" for letter in alphabet)]
    write_byte_pairs(folder, letters, clip_merges(), ["<|startoftext|>", END], CLIP_SIZE)
    special = {"bos_token": "<|startoftext|>", "eos_token": END, "unk_token": END, "pad_token": END}
    write_json(folder / "special_tokens_map.json", special)
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    write_json(folder / "tokenizer_config.json", settings | special | {"add_prefix_space": False})


def write_gpt2_tokenizer(folder: Path) -> None:
    """Write GPT-2's tokenizer: vocab.json, merges.txt and tokenizer.json."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary, merges = write_byte_pairs(folder, alphabet, gpt2_merges(), [END], GPT2_SIZE)
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([END])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {"model_max_length": 1024})


def write_wordpiece(folder: Path) -> None:
    """Write the tokenizer of the BERT family as vocab.txt."""
    head = ["[PAD]", *(f"[unused{number}]" for number in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    signs = [*LETTERS, *"0123456789", *PUNCTUATION]
    longer = chain.from_iterable((word, f"##{word}") for length in (2, 3) for word in combinations(length))
    tokens = islice(chain(head, signs, (f"##{sign}" for sign in signs), longer), BERT_SIZE)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": 512})


def write_t5_tokenizer(folder: Path) -> None:
    """Write T5's unigram tokenizer as tokenizer.json."""
    extra = [f"<extra_id_{number}>" for number in reversed(range(T5_EXTRA))]
    signs = [*LETTERS, *LETTERS.upper(), *"0123456789", *PUNCTUATION]
    longer = chain.from_iterable((f"▁{word}", word) for length in (2, 3) for word in combinations(length))
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((sign, -8.0) for sign in signs)]
    pieces += [(word, -6.0 - number / T5_SIZE) for number, word in enumerate(islice(longer, T5_SIZE - len(pieces)))]
    tokenizer = Tokenizer(models.Unigram([*pieces, *((token, 0.0) for token in extra)], unk_id=2))
    tokenizer.normalizer = normalizers.NFKC()
    metaspace = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    ending = [("</s>", 1)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=ending
    )
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>", *extra])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(folder / "special_tokens_map.json", special)
    settings = {"tokenizer_class": "T5Tokenizer", "model_max_length": 512, "extra_ids": T5_EXTRA}
    write_json(folder / "tokenizer_config.json", settings | special | {"processor_class": "MusicgenProcessor"})
