"""What comes after a sentence encoder, as its own files state it: pooling, layers, the length of a vector, prompts.

The layout is that of sentence-transformers: modules.json names the modules, each with a folder of its own.
https://sbert.net/docs/sentence_transformer/usage/custom_models.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.errors import ModelError, RefusedError
from genai_cli.hub.storage import read_json
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import torch

MODULES = "modules.json"
PROMPTS = "config_sentence_transformers.json"
LENGTHS = ("sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json")
POOLING = ("mean", "cls", "max", "last")
# The ways of pooling by what 1_Pooling/config.json calls them, in the order in which they are joined.
WAYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "last",
}
NEWER = {"lasttoken": "last", "mean_sqrt_len_tokens": "mean_sqrt_len"}
ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")


@dataclass(frozen=True)
class Layer:
    """A linear layer after the pooling: weights of shape (out, in), and what is applied to its output."""

    weight: "torch.Tensor"
    bias: "torch.Tensor | None"
    activation: str

    def apply(self, vectors: "torch.Tensor") -> "torch.Tensor":
        """Vectors of shape (texts, in) become (texts, out)."""
        import torch

        # A text at a time: a product of several rows may sum in another order than that of one.
        rows = [torch.nn.functional.linear(row, self.weight, self.bias) for row in vectors]
        made: torch.Tensor = getattr(torch.nn, self.activation)()(torch.stack(rows))
        return made


@dataclass(frozen=True)
class Recipe:
    """How hidden states become a vector."""

    pooling: tuple[str, ...] = ()
    """The ways of pooling, whose results are joined; none where the files state none."""
    include_prompt: bool = True
    layers: tuple[Layer, ...] = ()
    normalize: bool = False
    length: int | None = None
    """How many tokens are read, special ones included; None: as many as the model takes."""
    lowercase: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None


def read_recipe(folder: Path) -> Recipe:
    """What a checkpoint's files state. Raises ModelError for a module that genai does not have, RefusedError."""
    prompts = read_json(folder, PROMPTS) if (folder / PROMPTS).is_file() else {}
    stated = {str(name): str(text) for name, text in (prompts.get("prompts") or {}).items()}
    default = prompts.get("default_prompt_name")
    if not (folder / MODULES).is_file():
        return Recipe(prompts=stated, default_prompt=default)
    lengths: JsonObject = next((read_json(folder, name) for name in LENGTHS if (folder / name).is_file()), {})
    pooling: JsonObject = {}
    layers: list[Layer] = []
    normalize = False
    for kind, place in list_modules(folder):
        if kind == "Pooling":
            pooling = read_json(folder, f"{place}/config.json")
        elif kind == "Dense":
            layers.append(read_layer(folder, place))
        elif kind == "Normalize":
            normalize = True
        elif kind != "Transformer":
            raise ModelError(f"its module {kind} is not one that genai has", hint="it has Pooling, Dense, Normalize")
    return Recipe(
        list_ways(pooling),
        pooling.get("include_prompt", True) is not False,
        tuple(layers),
        normalize,
        lengths.get("max_seq_length"),
        bool(lengths.get("do_lower_case")),
        stated,
        default,
    )


def list_modules(folder: Path) -> list[tuple[str, str]]:
    """The class and the folder of each module, in their order. Raises ModelError, RefusedError for code."""
    try:
        modules = json.loads((folder / MODULES).read_text(encoding="utf-8"))
        pairs = [(str(module["type"]), str(module["path"])) for module in modules]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{MODULES} is broken: {error}") from None
    for kind, _ in pairs:
        if not kind.startswith("sentence_transformers."):
            raise RefusedError(
                f"{MODULES} names code from the repository ({kind}); genai runs no code from models",
                hint="take another repository of the same model, one that needs no code of its own",
            )
    return [(kind.rpartition(".")[2], place) for kind, place in pairs]


def list_ways(pooling: JsonObject) -> tuple[str, ...]:
    """The ways of pooling that a module states: by a flag each, or by one name. Raises ModelError."""
    named = pooling.get("pooling_mode")
    if named:
        ways = tuple(NEWER.get(way, way) for way in ([named] if isinstance(named, str) else named))
        unknown = next((way for way in ways if way not in WAYS.values()), None)
        if unknown is not None:
            raise ModelError(f"its pooling {unknown!r} is not one that genai has")
        return ways
    return tuple(way for flag, way in WAYS.items() if pooling.get(flag))


def read_layer(folder: Path, place: str) -> Layer:
    """A Dense module. Raises ModelError, RefusedError for pickled weights."""
    import torch
    from safetensors.torch import load_file

    config, weights = read_json(folder, f"{place}/config.json"), folder / place / "model.safetensors"
    if not weights.is_file():
        if (folder / place / "pytorch_model.bin").is_file():
            what = f"the weights of {place} are pickled, which can run code when they are read"
            raise RefusedError(f"{what}; genai loads safetensors only", hint="take another repository of the model")
        raise ModelError(f"{place} has no model.safetensors", hint="download it again: genai models pull NAME")
    activation = str(config.get("activation_function", "Tanh")).rpartition(".")[2]
    if activation not in ACTIVATIONS:
        raise ModelError(f"{place} applies {activation}, which is not one of {', '.join(ACTIVATIONS)}")
    tensors: dict[str, torch.Tensor] = load_file(weights)
    bias = tensors.get("linear.bias")
    return Layer(tensors["linear.weight"].float(), None if bias is None else bias.float(), activation)


def pool(hidden: "torch.Tensor", ways: tuple[str, ...], skipped: int) -> "torch.Tensor":
    """Hidden states of shape (texts, tokens, width) as vectors, without the first `skipped` tokens.

    All texts are of one length, so there is no padding. Of several ways the vectors are joined.
    """
    import torch

    read = hidden[:, skipped:] if skipped < hidden.shape[1] else hidden
    count = read.shape[1]
    found = []
    for way in ways:
        if way == "cls":
            found.append(hidden[:, 0])
        elif way == "last":
            found.append(hidden[:, -1])
        elif way == "max":
            found.append(read.max(dim=1).values)
        elif way == "weightedmean":
            weights = torch.arange(1, hidden.shape[1] + 1, dtype=read.dtype)[-count:]
            found.append((read * weights[None, :, None]).sum(dim=1) / weights.sum())
        else:
            found.append(read.sum(dim=1) / (count**0.5 if way == "mean_sqrt_len" else count))
    return torch.cat(found, dim=-1)
