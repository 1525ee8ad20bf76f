"""A loaded pipeline takes up the LoRAs and embeddings of a request; those of the next one may differ."""

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.device.embeddings import Words, has_word, list_widths, read_embedding
from genai_cli.device.loras import Matched, add_lora, list_adaptable, match_lora, read_tensors
from genai_cli.errors import InputError
from genai_cli.events import Detail, Emit, Notice
from genai_cli.hub.hashes import hash_file
from genai_cli.hub.weight_kinds import OTHER_ADAPTERS
from genai_cli.hub.weights_file import read_header
from genai_cli.modality.diffusion.prompt_encoding import forget_encodings
from genai_cli.request.adapter import Adapter, Embedding, Lora

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline

KEPT = 4  # LoRAs that stay in the pipeline; of SDXL one can have 800 MB
SHOWN = 3


class Adapting:
    """What of files a pipeline has taken up."""

    def __init__(self, pipeline: "DiffusionPipeline", model: str) -> None:
        self.pipeline = pipeline
        self.model = model
        self.loaded: OrderedDict[str, str] = OrderedDict()
        """The names of LoRAs in the pipeline, by their SHA-256; the last used stand last."""
        self.added = 0
        self.weights: list[tuple[str, float]] = []
        """The LoRAs in use."""
        self.embeddings: tuple[Embedding, ...] = ()
        self.words = Words(pipeline)

    def take(self, loras: tuple[Lora, ...], embeddings: tuple[Embedding, ...], emit: Emit) -> None:
        """Have these in use, and nothing else. Raises InputError for one that does not fit the model."""
        wanted: dict[str, float] = {}
        for lora in loras:  # of one that is named twice the weights add up
            wanted[lora.sha256] = wanted.get(lora.sha256, 0.0) + lora.weight
        if list(wanted.items()) != self.weights:
            self.take_loras({lora.sha256: lora for lora in loras}, wanted, emit)
            forget_encodings(self.pipeline)
        if embeddings != self.embeddings:
            self.take_embeddings(embeddings, emit)
            forget_encodings(self.pipeline)

    def take_loras(self, loras: dict[str, Lora], weights: dict[str, float], emit: Emit) -> None:
        """Have LoRAs in use with their weights, by their SHA-256."""
        self.weights = []
        for sha256, lora in loras.items():
            if sha256 not in self.loaded:
                self.load_lora(lora, emit)
            self.loaded.move_to_end(sha256)
        if weights:
            self.pipeline.enable_lora()
            self.pipeline.set_adapters([self.loaded[sha256] for sha256 in weights], list(weights.values()))
        elif self.loaded:
            self.pipeline.disable_lora()
        while len(self.loaded) > max(KEPT, len(weights)):
            self.pipeline.delete_adapters(self.loaded.popitem(last=False)[1])
        self.weights = list(weights.items())

    def load_lora(self, lora: Lora, emit: Emit) -> None:
        """Add a LoRA to the pipeline. Raises InputError where it does not fit."""
        path = find_unchanged(lora)
        if not (hasattr(self.pipeline, "load_lora_weights") and any(list_adaptable(self.pipeline))):
            raise InputError(f"{self.model} takes no LoRA: {type(self.pipeline).__name__} has no place for one")
        if getattr(self.pipeline, "unet", None) is None:
            raise InputError(
                f"{self.model} takes no LoRA here: genai adds them to Stable Diffusion 1.x, 2.x and XL",
                hint="leave --lora out",
            )
        header = read_header(path)
        matched = match_lora(self.pipeline, read_tensors(path), header.metadata)
        self.check(lora, matched, len(header.tensors), emit)
        name = f"genai{self.added}"
        self.added += 1
        add_lora(self.pipeline, name, matched)
        self.loaded[lora.sha256] = name

    def check(self, lora: Lora, matched: Matched, number: int, emit: Emit) -> None:
        """Say which keys are not used. Raises InputError where none are, or some are of a model of another shape."""
        kind = next(
            (words for part, words in OTHER_ADAPTERS.items() if any(part in key for key in matched.unused)), None
        )
        if matched.misfits:
            raise InputError(
                f"{lora.name} does not fit {self.model}: {len(matched.misfits)} of its parts have another shape there "
                f"({matched.misfits[0]})",
                hint="it was made for another base model",
            )
        if not matched.tensors:
            what = (
                f"it is a {kind}, which genai does not take" if kind else f"none of its {number} keys name a part of it"
            )
            raise InputError(
                f"{lora.name} does not fit {self.model}: {what}", hint="take one that is made for this model"
            )
        if matched.unused:
            shown = ", ".join(matched.unused[:SHOWN]) + (", ..." if len(matched.unused) > SHOWN else "")
            emit(Notice(f"{lora.name}: {len(matched.unused)} of {number} keys are not used: {shown}", once=True))
        lengths = ", a DoRA" if matched.has_lengths else ""
        emit(Detail(f"LoRA {lora.name}{lengths}: {number - len(matched.unused)} of {number} keys used"))

    def take_embeddings(self, embeddings: tuple[Embedding, ...], emit: Emit) -> None:
        """Have the words of embeddings, and no others beside the model's own."""
        self.words.restore()
        self.embeddings = ()
        vectors: dict[str, list[torch.Tensor]] = {}
        for embedding in embeddings:
            word, tensors = read_embedding(find_unchanged(embedding), embedding.token)
            widths, found = list_widths(self.pipeline), [int(tensor.shape[-1]) for tensor in tensors]
            if widths != found:
                raise InputError(
                    f"{embedding.name} does not fit {self.model}: its vectors have {' and '.join(map(str, found))} "
                    f"features, not {' and '.join(map(str, widths)) or 'any'}",
                    hint="it was made for another base model",
                )
            if has_word(self.pipeline, word) or word in vectors:
                raise InputError(
                    f"the word {word!r} of {embedding.name} has a meaning already",
                    hint=f"--embedding {embedding.name}=<another-word>",
                )
            vectors[word] = tensors
            several = f", {len(tensors[0])} vectors" if len(tensors[0]) > 1 else ""
            emit(Detail(f"embedding {embedding.name}: the word {word}{several}"))
        self.words.add(vectors)
        self.embeddings = embeddings


def find_unchanged(adapter: Adapter) -> Path:
    """The file of an adapter. Raises InputError where it no longer holds what it held."""
    path = adapter.path
    try:
        if path is not None and hash_file(path) == adapter.sha256:
            return path
    except OSError as error:
        raise InputError(f"{adapter.name} cannot be read: {error.strerror or error}") from None
    raise InputError(f"{adapter.name} was changed while it was used", hint="run the command again")
