"""Makes a small GGUF with random weights and serves it with llama.cpp's own server, until stdin ends.

A program of its own: `python llama_server.py FOLDER`, with a Python that has xllamacpp and gguf. It prints the address.
"""

import sys
from pathlib import Path
from typing import Any

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 32, 2, 4, 64, 256
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


def write_model(path: Path) -> None:
    """A Llama of 2 layers; its tokens are the bytes, the printable characters and a few words."""
    import gguf
    import numpy as np

    writer: Any = gguf.GGUFWriter(path, "llama")
    characters = ["\u2581", *map(chr, range(33, 127)), "\u2581the", "\u2581a", "\u2581day", "th", "he", "in", "er"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *characters]
    kind = gguf.TokenType
    kinds = [kind.UNKNOWN, kind.CONTROL, kind.CONTROL, *[kind.BYTE] * 256, *[kind.NORMAL] * len(characters)]
    writer.add_name("small")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_file_type(0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 259 + [-float(number) for number in range(len(characters))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)
    chance = np.random.default_rng(0)

    def add(name: str, *shape: int, scale: float = 0.3) -> None:
        writer.add_tensor(name, (chance.standard_normal(shape) * scale).astype(np.float32))

    def add_norm(name: str) -> None:
        writer.add_tensor(name, np.ones(WIDTH, np.float32))

    add("token_embd.weight", len(tokens), WIDTH)
    add_norm("output_norm.weight")
    head = (chance.standard_normal((len(tokens), WIDTH)) * 0.6).astype(np.float32)
    head[:259] *= 0.01  # it says characters, and hardly ever ends
    writer.add_tensor("output.weight", head)
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            add_norm(f"blk.{layer}.{name}.weight")
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{name}.weight", WIDTH, WIDTH)
        add(f"blk.{layer}.ffn_gate.weight", INNER, WIDTH)
        add(f"blk.{layer}.ffn_up.weight", INNER, WIDTH)
        add(f"blk.{layer}.ffn_down.weight", WIDTH, INNER)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def serve(model: Path) -> None:
    """Serve it on a free port of this machine."""
    import xllamacpp

    parameters: Any = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.port = 0
    parameters.n_ctx = 2 * CONTEXT
    parameters.n_parallel = 2
    parameters.warmup = False
    parameters.cpuparams.n_threads = 1
    server: Any = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)  # noqa: T201
    sys.stdin.read()


if __name__ == "__main__":
    file = Path(sys.argv[1]) / "small.gguf"
    write_model(file)
    serve(file)
