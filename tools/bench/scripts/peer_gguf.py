"""Write a Llama checkpoint of transformers as GGUF: python peer_gguf.py FOLDER FILE F32|Q8_0.

The Python has to have gguf and safetensors.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import load_file

folder, target, kind = Path(sys.argv[1]), sys.argv[2], gguf.GGMLQuantizationType[sys.argv[3]]
config = json.loads((folder / "config.json").read_text())
heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def rename(name: str) -> str:
    """llama.cpp's name for a weight of transformers."""
    if name == "model.embed_tokens.weight":
        return "token_embd.weight"
    if name == "model.norm.weight":
        return "output_norm.weight"
    _, _, layer, inner = name.removesuffix(".weight").split(".", 3)
    return f"blk.{layer}.{NAMES[inner]}.weight"


def interleave(weight: np.ndarray, count: int) -> np.ndarray:
    """The rows of queries and keys in llama.cpp's order: the halves of a head's rotated dimensions alternate."""
    return weight.reshape(count, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


writer = gguf.GGUFWriter(target, "llama")
writer.add_context_length(config["max_position_embeddings"])
writer.add_embedding_length(config["hidden_size"])
writer.add_block_count(config["num_hidden_layers"])
writer.add_feed_forward_length(config["intermediate_size"])
writer.add_head_count(heads)
writer.add_head_count_kv(groups)
writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
writer.add_rope_dimension_count(config["hidden_size"] // heads)
writer.add_vocab_size(config["vocab_size"])
vocabulary = json.loads((folder / "vocab.json").read_text())
tokens = sorted(vocabulary, key=vocabulary.__getitem__)
writer.add_tokenizer_model("gpt2")
writer.add_tokenizer_pre("gpt-2")
writer.add_token_list(tokens)
writer.add_token_types([gguf.TokenType.NORMAL] * (len(tokens) - 1) + [gguf.TokenType.CONTROL])
writer.add_token_merges((folder / "merges.txt").read_text().splitlines()[1:])
writer.add_bos_token_id(len(tokens) - 1)
writer.add_eos_token_id(len(tokens) - 1)
for name, weight in load_file(folder / "model.safetensors").items():
    if "q_proj" in name or "k_proj" in name:
        weight = interleave(weight, heads if "q_proj" in name else groups)
    used = kind if weight.ndim == 2 else gguf.GGMLQuantizationType.F32
    writer.add_tensor(rename(name), gguf.quants.quantize(weight, used), raw_dtype=used)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
