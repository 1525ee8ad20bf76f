"""What checkpoints are built of: JSON files, cards, decoys, and small real tokenizers."""

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

# What the libraries say while checkpoints are built is not what a test looks for in the command's output.
transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
diffusers.utils.logging.set_verbosity_error()

CORPUS = """
a photo of an astronaut riding a horse on mars in the style of an oil painting, a red circle on a blue background
it was a dark and stormy night and the rain fell in torrents, except at occasional intervals, when it was checked
this movie is disgustingly good! what a dull and boring film, I liked the music, the plot was bad, we loved the actors
electric rock solo with drums and a calm piano melody, 80s pop track with bassy drums and synth
""".strip()
# Of a small transformer, by the names that most configurations have for them.
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.3,
}
WORDS = sorted({word.strip(",!.") for word in CORPUS.lower().split()})


# Files


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def update_json(path: Path, **changes: Any) -> None:
    """Change some values of a JSON file."""
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | changes)


def write_decoys(folder: Path, *names: str) -> None:
    """Files that fail to load as anything, each with a content of its own."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"decoy: nobody should read {name}\n".encode() * 40)


def write_card(folder: Path, license_id: str, task: str, library: str) -> None:
    """A model card with front matter and the sections that real ones have."""
    (folder / "README.md").write_text(
        f"---\nlicense: {license_id}\npipeline_tag: {task}\nlibrary_name: {library}\ntags:\n- test\n---\n\n"
        "# A small model with random weights\n\n"
        "## Intended use\n\nTests of programs that run models of this layout.\n\n"
        "## Limitations\n\nIts weights are random: what it makes means nothing.\n",
        encoding="utf-8",
    )


def save_model(model: Any, folder: Path, **options: Any) -> None:
    """Save a transformers model as safetensors."""
    model.eval().save_pretrained(folder, **options)


@contextmanager
def changed_weights(file: Path) -> Iterator[dict[str, torch.Tensor]]:
    """The tensors of a safetensors file, to be changed; they are saved at the end."""
    tensors = load_file(file)
    yield tensors
    save_file(tensors, file, metadata={"format": "pt"})


# Tokenizers


def byte_pairs(special: Iterable[str], suffix: str = "", vocabulary: int = 400) -> tuple[dict[str, int], list[str]]:
    """The vocabulary and merges of a byte-level BPE; `suffix` marks the end of a word, as CLIP has it."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(**({"end_of_word_suffix": suffix} if suffix else {})))
    tokenizer.pre_tokenizer = (
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()])
        if suffix
        else pre_tokenizers.ByteLevel(add_prefix_space=False)
    )
    settings = {"vocab_size": vocabulary, "initial_alphabet": alphabet, "show_progress": False}
    trainer = trainers.BpeTrainer(**settings, **({"end_of_word_suffix": suffix} if suffix else {}))
    tokenizer.train_from_iterator(CORPUS.splitlines(), trainer)
    merges = [" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
    letters = [*alphabet, *(letter + suffix for letter in alphabet if suffix)]
    tokens = [*letters, *(merge.replace(" ", "") for merge in merges), *special]
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}, merges


def write_byte_pairs(folder: Path, vocabulary: Mapping[str, int], merges: Iterable[str]) -> None:
    """The two files of a byte-level BPE."""
    write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")


def write_clip_tokenizer(folder: Path, pad: str = "<|endoftext|>") -> dict[str, int]:
    """A CLIP tokenizer as Stable Diffusion has it, without tokenizer.json. Returns its vocabulary."""
    vocabulary, merges = byte_pairs(["<|startoftext|>", "<|endoftext|>"], suffix="</w>", vocabulary=700)
    write_byte_pairs(folder, vocabulary, merges)
    end = "<|endoftext|>"
    special = {"bos_token": "<|startoftext|>", "eos_token": end, "unk_token": end, "pad_token": pad}
    write_json(folder / "special_tokens_map.json", special)
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    write_json(folder / "tokenizer_config.json", settings | special | {"add_prefix_space": False})
    return vocabulary


def write_gpt2_tokenizer(folder: Path, context: int) -> dict[str, int]:
    """GPT-2's tokenizer: vocab.json, merges.txt and tokenizer.json. Returns its vocabulary."""
    vocabulary, merges = byte_pairs(["<|endoftext|>"])
    write_byte_pairs(folder, vocabulary, merges)
    byte_level_tokenizer(vocabulary, merges, ["<|endoftext|>"]).save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {"model_max_length": context})
    return vocabulary


def byte_level_tokenizer(vocabulary: dict[str, int], merges: Iterable[str], special: list[str]) -> Tokenizer:
    """A byte-level BPE tokenizer, as the tokenizers library has it."""
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    tokenizer = Tokenizer(models.BPE(vocabulary, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens(special)
    return tokenizer


def write_wordpiece(folder: Path, length: int) -> int:
    """The tokenizer of the BERT family as vocab.txt. Returns the size of its vocabulary."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'\"-:;()"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), *WORDS]
    tokens = list(dict.fromkeys(tokens))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": length})
    return len(tokens)


def write_t5_tokenizer(folder: Path, length: int) -> int:
    """T5's unigram tokenizer as tokenizer.json. Returns the size of its vocabulary."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'\"-:;()"
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(f"▁{word}", -4.0) for word in WORDS if len(word) > 1] + [(letter, -8.0) for letter in letters]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.normalizer = normalizers.NFKC()
    metaspace = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(folder / "special_tokens_map.json", special)
    settings = {"tokenizer_class": "T5Tokenizer", "model_max_length": length, "extra_ids": 0}
    write_json(folder / "tokenizer_config.json", settings | special)
    return len(pieces)


def t5_config(vocabulary: int) -> Any:
    """The configuration of a small T5 encoder."""
    return transformers.T5Config(
        vocab_size=vocabulary, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4, tie_word_embeddings=False
    )


def zeroed(checkpoint: Path, folder: Path, files: str, tensors: str) -> Path:
    """A copy of a checkpoint with the tensors of that name set to zero."""
    shutil.copytree(checkpoint, folder)
    for path in folder.glob(files):
        with changed_weights(path) as weights:
            for name in weights:
                if re.fullmatch(tensors, name):
                    weights[name].zero_()
    return folder
