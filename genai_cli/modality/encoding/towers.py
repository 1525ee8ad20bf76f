"""Texts and pictures as vectors of one space, by two encoders that were trained together: CLIP, SigLIP."""

import inspect
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from genai_cli.content.picture import Picture
from genai_cli.errors import ModelError
from genai_cli.events import Emit, tag_item
from genai_cli.modality.decoding.batch_invariance import make_batch_invariant
from genai_cli.modality.encoding.sentences import AT_ONCE, Encoded
from genai_cli.modality.encoding.windows import WITHOUT_LIMIT, group_alike
from genai_cli.request.input import Input

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from transformers import BaseImageProcessor, PreTrainedModel

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

TWO_TOWERS = ("CLIPModel", "SiglipModel", "Siglip2Model")
SIGMOID = "siglip"  # the models that judge each pair alone, and whose texts are padded to one length as in training


class Towers:
    """The two encoders, the tokenizer, and what turns a picture into their input."""

    normalizes = True
    """Their vectors are compared by their directions alone."""

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load them. Raises ModelError."""
        from genai_cli.device.loading import load_companion, load_image_processor, load_model

        self.name = files.reference.id
        self.tokenizer = load_companion("AutoTokenizer", files)
        self.processor = load_image_processor(files)
        self.model = load_model("AutoModel", files, placement)
        if not hasattr(self.model, "get_image_features"):
            raise ModelError(f"{self.name} has no encoder of pictures")
        if placement.device == "cpu":
            make_batch_invariant(self.model)
        self.inputs = list(inspect.signature(self.model.get_text_features).parameters)
        stated = getattr(self.model.config.get_text_config(), "max_position_embeddings", WITHOUT_LIMIT)
        self.kept: dict[tuple[str, ...], torch.Tensor] = {}
        self.window = int(min(self.tokenizer.model_max_length, stated))

    @property
    def judges_alone(self) -> bool:
        """Whether a text and a picture have a probability of their own, and not a share among several texts."""
        return str(self.model.config.model_type).startswith(SIGMOID)

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """The vectors of texts, not normalised; what is longer than the encoder reads is cut."""
        padding = "max_length" if self.judges_alone else False
        full = self.tokenizer(list(texts))["input_ids"]
        tokens = self.tokenizer(list(texts), truncation=True, max_length=self.window, padding=padding)
        given = {name: values for name, values in tokens.items() if name in self.inputs}
        if self.judges_alone:
            given.pop("attention_mask", None)  # the padding is read, as in training
        found: dict[int, Encoded] = {}
        for positions in group_alike(tokens["input_ids"], AT_ONCE):
            for position, vector in zip(positions, self.run(given, positions), strict=True):
                count = len(full[position])
                found[position] = Encoded(vector.numpy(), min(count, self.window), count > self.window)
        return [found[position] for position in range(len(texts))]

    def run(self, given: dict[str, list[list[int]]], positions: Sequence[int]) -> "torch.Tensor":
        """Vectors of shape (texts, width), for texts of one length."""
        import torch

        inputs = {
            name: torch.tensor([values[position] for position in positions], device=self.model.device)
            for name, values in given.items()
        }
        with torch.inference_mode():
            vectors: torch.Tensor = self.model.get_text_features(**inputs).pooler_output
        return vectors.float().cpu()

    def encode_pictures(self, pictures: Sequence[Input], emit: Emit) -> list["NDArray[np.float32]"]:
        """The vectors of pictures, not normalised. Raises InputError for what is not a picture."""
        import torch

        found = []
        for inputs in read_pictures(self.processor, self.model, pictures, emit):
            with torch.inference_mode():
                found.append(self.model.get_image_features(**inputs).pooler_output[0].float().cpu().numpy())
        return found

    def compare(self, picture: Input, sentences: tuple[str, ...], emit: Emit) -> list[float]:
        """How well each sentence fits a picture: shares among them, or probabilities where the model judges each alone.

        Raises InputError for what is not a picture.
        """
        import torch

        (seen,) = self.encode_pictures([picture], emit)
        directions = torch.nn.functional.normalize(torch.from_numpy(seen), dim=0)
        cosines = self.read_sentences(sentences) @ directions
        with torch.inference_mode():
            logits = cosines * self.model.logit_scale.exp().float().cpu()
            if self.judges_alone:
                scores: list[float] = (logits + self.model.logit_bias.float().cpu()).sigmoid().tolist()
                return scores
        shares: list[float] = logits.softmax(dim=0).tolist()
        return shares

    def read_sentences(self, sentences: tuple[str, ...]) -> "torch.Tensor":
        """The directions of sentences, of shape (sentences, width); kept, as many pictures are asked for the same."""
        import numpy
        import torch

        if sentences not in self.kept:
            vectors = torch.from_numpy(numpy.stack([encoded.vector for encoded in self.encode(sentences)]))
            self.kept = {sentences: torch.nn.functional.normalize(vectors, dim=-1)}
        return self.kept[sentences]


def read_pictures(
    processor: "BaseImageProcessor", model: "PreTrainedModel", pictures: Sequence[Input], emit: Emit
) -> Iterator[dict[str, "torch.Tensor"]]:
    """The input of a model for each picture, one at a time: no result depends on what is beside it, nor does memory."""
    from PIL import Image

    for place, source in enumerate(pictures):
        pixels = Picture.read(source, tag_item(emit, place)).pixels
        made = processor(images=Image.fromarray(pixels), return_tensors="pt")
        yield {
            name: values.to(model.device, model.dtype) if values.is_floating_point() else values.to(model.device)
            for name, values in made.items()
        }
