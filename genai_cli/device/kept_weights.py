"""Quantized weights on their way to the disk and back. A model that is read back is the one that was kept, bit for bit.

Where they lie, and which may stay, is the business of `hub/kept.py`. On a processor only.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.device.bfloat16 import describe_processor
from genai_cli.device.mapped import SpentWeights
from genai_cli.device.private import make_opaque_int4
from genai_cli.device.threads import SMALL
from genai_cli.hub.fetching import ModelFiles
from genai_cli.hub.kept import (
    begin_keeping,
    build_kept_key,
    finish_keeping,
    locate_place,
    make_room,
    note_use,
    read_about,
)
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel

LAYOUT = "1"  # raise it where the files or the layers change
MOST_TRIES = 3  # how often a model's weights are kept that could not be read back
AT_ONCE = 64_000_000  # bytes that are held in memory before they go to a file
LIBRARIES = ("torch", "torchao", "transformers")


def locate_kept(files: ModelFiles, quantize: str, dtype: str) -> Path:
    """The folder of a model's small weights, which may not exist. Loads no library."""
    task = files.kind.task if files.kind else ""
    made_by = [f"{name} {find_version(name)}" for name in LIBRARIES]
    key = build_kept_key(files, LAYOUT, task, files.architecture, quantize, dtype, describe_processor(), *made_by)
    return locate_place(files.reference) / key


def find_version(name: str) -> str:
    """The version of a library, empty where it is missing: who calls it says so."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def list_weights_to_read(files: ModelFiles, quantize: str | None, dtype: str) -> tuple[Path, ...]:
    """The files that will be read when a model is loaded: small weights that are kept, else its own."""
    if quantize is not None and files.count_weight_bytes() >= SMALL:
        folder = locate_kept(files, quantize, "float32" if dtype == "auto" else dtype)
        if read_about(folder) is not None:
            return tuple(sorted(folder.glob("*.safetensors")))
    return files.weights


class WeightKeeper:
    """Takes the weights of a model while it is quantized. What cannot be written is not kept, and nothing is said."""

    def __init__(self, files: ModelFiles, quantize: str, folder: Path) -> None:
        reference = files.reference
        name = str(reference.folder.resolve()) if reference.folder else reference.id
        tries = int((read_about(folder) or {}).get("tries", 0)) + 1
        self.about: JsonObject = {"model": name, "revision": reference.revision, "quantize": quantize, "tries": tries}
        self.layers: dict[str, str] = {}
        """How each small layer was made, by its name."""
        self.embeddings: dict[str, list[str]] = {}
        """The layer and the dtype of each embedding that shares its small weight."""
        self.key = folder.name
        self.tensors: dict[str, torch.Tensor] = {}
        self.shards = 0
        self.unfinished: Path | None = None
        if tries > MOST_TRIES:
            return
        with suppress(OSError):
            folder.parent.mkdir(parents=True, exist_ok=True)
            if make_room(folder.parent, files.count_weight_bytes() // 2):
                self.unfinished = begin_keeping(folder.parent)

    def take_layer(self, name: str, kind: str, tensors: "dict[str, torch.Tensor]") -> None:
        """Take the tensors of a small layer."""
        self.layers[name] = kind
        for part, tensor in tensors.items():
            self.take(f"{name}.{part}", tensor)

    def take(self, name: str, tensor: "torch.Tensor") -> None:
        """Take one tensor."""
        if self.unfinished is None:
            return
        self.tensors[name] = tensor.detach().contiguous()
        if sum(held.nbytes for held in self.tensors.values()) >= AT_ONCE:
            self.write()

    def write(self) -> None:
        """Write what is held to a file of its own."""
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        if self.unfinished is None:
            return
        try:
            save_file(self.tensors, self.unfinished / f"{self.shards:04}.safetensors")
        except (OSError, SafetensorError):
            self.abandon()
        self.tensors = {}
        self.shards += 1

    def finish(self) -> None:
        """Keep what was taken."""
        if self.tensors:
            self.write()
        if self.unfinished is None:
            return
        try:
            about = {**self.about, "layers": self.layers, "embeddings": self.embeddings}
            finish_keeping(self.unfinished, self.key, about)
        except OSError:
            self.abandon()

    def abandon(self) -> None:
        """Keep nothing."""
        if self.unfinished is not None:
            shutil.rmtree(self.unfinished, ignore_errors=True)
            self.unfinished = None


class KeptReader:
    """The tensors of kept weights, by name, in mapped files."""

    def __init__(self, folder: Path) -> None:
        """Open the files. Raises OSError or SafetensorError where one is damaged, ValueError where there are none."""
        from safetensors import safe_open

        about = read_about(folder)
        if about is None:
            raise ValueError("there are no kept weights")
        self.layers: dict[str, str] = about["layers"]
        self.embeddings: dict[str, list[str]] = about["embeddings"]
        self.stack = ExitStack()
        self.places = {}
        for file in sorted(folder.glob("*.safetensors")):
            opened = self.stack.enter_context(safe_open(file, framework="pt"))
            self.places.update(dict.fromkeys(opened.keys(), opened))
        note_use(folder)

    def read(self, name: str) -> "torch.Tensor":
        """A tensor in the mapped file. Raises KeyError."""
        tensor: torch.Tensor = self.places[name].get_tensor(name)
        return tensor

    def list_others(self) -> Iterator[str]:
        """The names of the tensors that belong to no small layer."""
        parts = {f"{name}.{part}" for name in self.layers for part in ("weight", "scale", "qdata", "scale_and_zero")}
        return (name for name in self.places if name not in parts)

    def close(self) -> None:
        """Close the files; tensors that were read stay."""
        self.stack.close()


def restore(model: "PreTrainedModel", folder: Path, share: bool) -> None:
    """Give a model without values the layers and weights that were kept. Raises where they do not suffice.

    With `share`, layers that get the same input share a product, see `packing`.
    """
    from genai_cli.device.packing import pack_layers

    reader = KeptReader(folder)
    spent = SpentWeights()
    try:
        for name, kind in reader.layers.items():
            model.set_submodule(name, restore_layer(model, reader, name, kind))
        restore_embeddings(model, reader)
        pack_layers(model, spent, share)
        restore_others(model, reader, spent)
        spent.give_back()
    finally:
        reader.close()
    left = [name for name, tensor in list_tensors(model) if tensor.is_meta]
    if left:
        raise ValueError(f"{left[0]} was not kept")


def restore_layer(model: "PreTrainedModel", reader: KeptReader, name: str, kind: str) -> "nn.Module":
    """A small layer; a weight that will be packed stays in the mapped file."""
    from genai_cli.device.quantize import find_largest_input
    from genai_cli.device.quantized_layers import Bfloat16Linear, Int8Linear, has_fbgemm

    bias = model.get_submodule(name).bias
    if kind == "int4":
        data, scale_and_zero = (reader.read(f"{name}.{part}").clone() for part in ("qdata", "scale_and_zero"))
        return Bfloat16Linear(make_opaque_int4(data, scale_and_zero), bias)
    read = reader.read(f"{name}.weight")
    is_tied = any(layer == name for layer, _ in reader.embeddings.values())
    weight = read.clone() if is_tied or not has_fbgemm() else read  # outside of the mapped file, where it stays in use
    return Int8Linear(weight, reader.read(f"{name}.scale").clone(), bias, find_largest_input())


def restore_embeddings(model: "PreTrainedModel", reader: KeptReader) -> None:
    """Give the embeddings the small weights of the layers that they are tied to."""
    import torch

    from genai_cli.device.quantized_layers import Int8Embedding

    for embedding, (layer, dtype) in reader.embeddings.items():
        weight, scale = model.get_submodule(layer).weight, reader.read(f"{layer}.scale").clone()
        model.set_submodule(embedding, Int8Embedding(weight, scale, getattr(torch, dtype)))


def restore_others(model: "PreTrainedModel", reader: KeptReader, spent: SpentWeights) -> None:
    """Give a model all weights that stayed as they were; those that layers share are given to each."""
    from torch import nn

    holders: dict[int, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            holders.setdefault(id(tensor), []).append((module, name))
    tensors = dict(list_tensors(model))
    for name in reader.list_others():
        read, empty = reader.read(name), tensors[name]
        value = read.clone()
        for module, part in holders[id(empty)]:
            shared = isinstance(empty, nn.Parameter)
            setattr(module, part, nn.Parameter(value, requires_grad=False) if shared else value)
        spent.add(read)


def list_tensors(model: "nn.Module") -> "list[tuple[str, torch.Tensor]]":
    """The parameters and buffers of a model by their names, those that are shared by the first one."""
    return [*model.named_parameters(), *model.named_buffers()]
