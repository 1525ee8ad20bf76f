"""The teacher's vectors; and the teacher made small, to be carried: `python -m tools.train.embed.teacher`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from tools.train.embed.sentences import collect, keep

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Vectors = NDArray[np.float32]
PACKED = "packed.npz"
LEVELS = 48
"""Steps on either side of zero for a packed weight: 2% of error, and it compresses to less than six bits."""
MAX_TOKENS = 64


def load_encoder(folder: Path) -> PreTrainedModel:
    """The encoder in `folder`, in float32; from pack()'s file if there is one."""
    from transformers import AutoConfig, AutoModel

    if not (folder / PACKED).exists():
        return AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    model = AutoModel.from_config(AutoConfig.from_pretrained(folder))
    with np.load(folder / PACKED) as packed:
        names = {name.removesuffix("|codes") for name in packed.files if name.endswith("|codes")}
        weights = {name: packed[f"{name}|codes"] * packed[f"{name}|scale"] for name in names}
    state = {name: torch.from_numpy(values).float() for name, values in weights.items()}
    missing, _ = model.load_state_dict(state, strict=False)
    if [name for name in missing if "position_ids" not in name]:
        raise ValueError(f"{folder / PACKED} lacks {missing}")
    return model.float().eval()


def encode(folder: Path, texts: list[str], device: str = "cpu", batch_size: int = 64) -> Vectors:
    """The unit vectors of texts, (texts, width), by an encoder with mean pooling (the teacher and the student)."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = load_encoder(folder).to(device)
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    found = np.zeros((len(texts), model.config.hidden_size), np.float32)
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        inputs = tokenizer(
            [texts[i] for i in part], padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        ).to(device)
        with torch.inference_mode():
            hidden = model(**inputs).last_hidden_state
        found[part] = mean_vectors(hidden, inputs["attention_mask"]).cpu().numpy()
    return found


def mean_vectors(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The unit vectors (batch, width) of the mean over what `mask` (batch, tokens) shows of (batch, tokens, width)."""
    shown = mask[..., None].to(hidden.dtype)
    return torch.nn.functional.normalize((hidden * shown).sum(1) / shown.sum(1), dim=-1)


def main_axes(vectors: Vectors, width: int) -> Vectors:
    """The `width` directions that keep most of the vectors' inner products, (vectors' width, width)."""
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    return np.ascontiguousarray(axes[:, ::-1][:, :width])


def targets(folder: Path, texts: list[str], width: int, path: Path, device: str) -> Vectors:
    """The teacher's unit vectors in `width` dimensions, (texts, width). They are made once and kept at `path`."""
    if not path.exists():
        vectors = encode(folder, texts, device, 512 if device == "cuda" else 64)
        part = path.with_suffix(".part.npy")
        np.save(part, (vectors @ main_axes(vectors, width)).astype(np.float16))
        part.replace(path)
    low = np.load(path).astype(np.float32)
    return low / np.linalg.norm(low, axis=1, keepdims=True)


def pack(folder: Path, texts: list[str], out: Path) -> None:
    """Write the teacher to `out` in few bits, with the rows of those tokens only that occur in `texts`."""
    from safetensors.torch import load_file
    from transformers import AutoTokenizer

    out.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    used = {
        token
        for start in range(0, len(texts), 1000)
        for row in tokenizer(texts[start : start + 1000])["input_ids"]
        for token in row
    }
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, weight in load_file(folder / "model.safetensors").items():
        values = weight.float().numpy()
        if name.endswith("word_embeddings.weight"):
            values[[row for row in range(len(values)) if row not in used]] = 0
        if name.endswith("position_embeddings.weight"):
            values[MAX_TOKENS:] = 0
        if values.ndim == 2:
            scale = np.abs(values).max(axis=1, keepdims=True) / LEVELS
            arrays[f"{name}|codes"] = np.round(values / np.maximum(scale, 1e-9)).astype(np.int8)
            arrays[f"{name}|scale"] = scale.astype(np.float16)
        elif weight.is_floating_point():
            arrays[f"{name}|codes"], arrays[f"{name}|scale"] = values.astype(np.float16), np.float16(1)
    np.savez_compressed(out / PACKED, **arrays)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / name, out / name)


def main() -> None:
    """Write sentences and teacher to a folder that is small enough to carry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with books/*.txt and sentiment/*.tsv")
    parser.add_argument("--teacher", type=Path, required=True, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    arguments = parser.parse_args()
    sentences = collect(arguments.data)
    pack(arguments.teacher, sentences.training, arguments.out / "teacher")
    keep(sentences, arguments.out / "sentences.xz")


if __name__ == "__main__":
    main()
