"""A T5 tokenizer with a small vocabulary: the words of the captions, and single letters for all other words."""

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from tools.train.audio.captions import draw_captioned

CORPUS_SIZE = 20_000
MAX_TOKENS = 64
SPACE = "▁"
SPECIAL = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'\"-:;()&"


def _words(seed: int) -> list[str]:
    """Every word of many training captions, without punctuation."""
    rng = np.random.default_rng(seed)
    captions = " ".join(draw_captioned(rng, held_out=False).text for _ in range(CORPUS_SIZE))
    return sorted(set(captions.translate(str.maketrans(",!?.-", "     ")).split()))


def build_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """A tokenizer that accepts any text. Anything that is neither a known word nor a letter is unknown."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), (SPACE, -2.0)]
    pieces += [(SPACE + word, -4.0) for word in _words(seed) if len(word) > 1] + [(letter, -8.0) for letter in LETTERS]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace("-", " ")]
    )
    metaspace = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    tokenizer.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(list(SPECIAL.values()))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **SPECIAL)


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write tokenizer.json and its settings in the layout of MusicGen's T5 tokenizer."""
    tokenizer.backend_tokenizer.no_padding()  # the file must not contain the padding of the last call
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": MAX_TOKENS}
    files = {
        "tokenizer_config.json": settings | SPECIAL | {"processor_class": "MusicgenProcessor"},
        "special_tokens_map.json": SPECIAL,
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
