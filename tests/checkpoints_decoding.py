"""Tokenizers and checkpoints for what a checkpoint's files decide: byte tokens, templates, settings, contexts."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import transformers
from checkpoint_parts import SIZES, byte_level_tokenizer, byte_pairs, save_model, update_json, write_card, write_json
from checkpoints import build_llama_chat
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

END_OF_TURN = "<|im_end|>"
# As Llama Guard 3 has it: the content is a list of parts, and a string has none.
PARTS_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] | trim }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def byte_fallback_tokenizer(metaspace: bool = False) -> Tokenizer:
    """A BPE with byte tokens for what it does not know, as Llama 2 and Mistral have it, or with Gemma's decoder."""
    special = ["<unk>", "<s>", "</s>"]
    tokens = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"abcdefghijklmnopqrstuvwxyz.,!?é"]
    pairs = [("▁", letter) for letter in "abcdefghij"] + [("t", "h"), ("th", "e"), ("▁", "the")]
    tokens += [left + right for left, right in pairs]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.BPE(vocabulary, pairs, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    steps: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if metaspace:
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        steps.append(decoders.Strip(" ", 1, 0))
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.add_special_tokens(special)
    return tokenizer


def unigram_byte_tokenizer() -> Tokenizer:
    """A unigram model with byte tokens and the Metaspace decoder."""
    pieces = [("<unk>", 0.0), *((f"<0x{byte:02X}>", -9.0) for byte in range(256)), ("▁", -2.0), ("▁the", -3.0)]
    pieces += [(letter, -6.0) for letter in "abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    return tokenizer


def wordpiece_tokenizer() -> Tokenizer:
    """The tokenizer of the BERT family, whose decoder joins punctuation to the word before."""
    letters = "abcdefghijklmnopqrstuvwxyz.,!?'"
    tokens = ["[UNK]", *letters, *(f"##{letter}" for letter in letters), "do", "n", "'", "not", "s"]
    tokenizer = Tokenizer(models.WordPiece({token: at for at, token in enumerate(dict.fromkeys(tokens))}))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def byte_level() -> Tokenizer:
    """GPT-2's byte-level BPE."""
    vocabulary, merges = byte_pairs(["<|endoftext|>"])
    return byte_level_tokenizer(vocabulary, merges, ["<|endoftext|>"])


def wrap_tokenizer(tokenizer: Tokenizer, **special: str) -> Any:
    """The tokenizer as transformers has it."""
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def save_llama(folder: Path, tokenizer: Tokenizer, special: dict[str, str], context: int = 256, **changes: Any) -> Path:
    """A small Llama with the given tokenizer and without a chat template; `changes` are of its configuration."""
    torch.manual_seed(0)
    ends = {f"{name}_id": tokenizer.token_to_id(token) for name, token in special.items()}
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        num_key_value_heads=2,
        max_position_embeddings=context,
        **SIZES,
        **ends,
        **changes,
    )
    save_model(transformers.LlamaForCausalLM(config), folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": context}
    write_json(folder / "tokenizer_config.json", settings | special)
    write_card(folder, "apache-2.0", "text-generation", "transformers")
    return folder


def build_byte_llama(folder: Path) -> Path:
    """A Llama with byte tokens."""
    return save_llama(folder, byte_fallback_tokenizer(), {"bos_token": "<s>", "eos_token": "</s>"})


def build_stretched_llama(folder: Path, context: int, rope: dict[str, Any]) -> Path:
    """A Llama whose configuration states `rope` as it stands in config.json."""
    save_llama(folder, byte_fallback_tokenizer(), {"bos_token": "<s>", "eos_token": "</s>"}, context)
    config = json.loads((folder / "config.json").read_text())
    config.pop("rope_parameters", None)
    write_json(folder / "config.json", config | {"rope_scaling": rope, "rope_theta": 10000.0})
    return folder


def build_im_end_llama(folder: Path) -> Path:
    """A Llama with a special token that ends a turn and is not the end token."""
    special = ["<s>", "</s>", END_OF_TURN]
    vocabulary, merges = byte_pairs(special)
    tokenizer = byte_level_tokenizer(vocabulary, merges, special)
    return save_llama(folder, tokenizer, {"bos_token": "<s>", "eos_token": "</s>"})


def build_templated_llama(folder: Path, template: str) -> Path:
    """The Llama with a chat, and another template."""
    build_llama_chat(folder)
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


def state_settings(folder: Path, **settings: Any) -> Path:
    """Put settings into the folder's generation_config.json."""
    path = folder / "generation_config.json"
    if not path.exists():
        write_json(path, {})
    update_json(path, **settings)
    return folder


def copy_with(folder: Path, place: Path, **settings: Any) -> Path:
    """A copy of a checkpoint that states settings."""
    shutil.copytree(folder, place)
    return state_settings(place, **settings)


def encode_ascii(tokens: Iterable[int], tokenizer: Tokenizer) -> str:
    """The letters of the tokens that are neither byte tokens nor special ones."""
    names = [tokenizer.id_to_token(token) for token in tokens]
    plain = [name for name in names if not (name.startswith("<") and name.endswith(">"))]
    return "".join(letter for name in plain for letter in name if letter.isascii())
