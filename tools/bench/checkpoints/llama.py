"""A Llama of SmolLM's 135M shape at full size, with GPT-2's kind of vocabulary."""

from pathlib import Path

import transformers

from tools.bench.checkpoints.vocabulary import GPT2_SIZE, write_gpt2_tokenizer

SHAPE = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}


def build(folder: Path) -> None:
    """Build a Llama that never draws its end token, so every run makes the requested number of tokens."""
    write_gpt2_tokenizer(folder)
    end = GPT2_SIZE - 1
    config = transformers.LlamaConfig(vocab_size=GPT2_SIZE, bos_token_id=end, eos_token_id=end, **SHAPE)
    model = transformers.LlamaForCausalLM(config)
    model.model.embed_tokens.weight[end].zero_()  # a logit of 0 is far from the 50 likeliest
    model.eval().save_pretrained(folder)
