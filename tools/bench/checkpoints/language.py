"""GPT-2 124M and DistilBERT 66M at full size."""

from pathlib import Path

import transformers
from safetensors.torch import load_file, save_file

from tools.bench.checkpoints.vocabulary import BERT_SIZE, GPT2_SIZE, write_gpt2_tokenizer, write_wordpiece


def build_gpt2(folder: Path) -> None:
    """Build a GPT-2 that never draws its end token, so every run makes the requested number of tokens."""
    write_gpt2_tokenizer(folder)
    end = GPT2_SIZE - 1
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(bos_token_id=end, eos_token_id=end))
    model.transformer.wte.weight[end].zero_()  # a logit of 0 is far from the 50 likeliest of 50257
    model.eval().save_pretrained(folder)
    # In the real file, the names of the weights do not have the language model's prefix.
    weights = folder / "model.safetensors"
    plain = {name.removeprefix("transformer."): value for name, value in load_file(weights).items()}
    save_file(plain, weights, metadata={"format": "pt"})


def build_distilbert(folder: Path) -> None:
    """Build a DistilBERT with the labels of SST-2."""
    write_wordpiece(folder)
    config = transformers.DistilBertConfig(
        vocab_size=BERT_SIZE,
        id2label={0: "NEGATIVE", 1: "POSITIVE"},
        label2id={"NEGATIVE": 0, "POSITIVE": 1},
    )
    transformers.DistilBertForSequenceClassification(config).eval().save_pretrained(folder)
