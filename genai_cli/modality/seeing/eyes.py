"""A chat model that sees takes a picture into its prompt."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.content.picture import Picture
from genai_cli.content.picture_reading import measure_picture
from genai_cli.errors import InputError
from genai_cli.events import Emit
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.decoding.chat import Message
from genai_cli.modality.seeing.readers import PicturePrompts
from genai_cli.request.input import Input
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from PIL.Image import Image
    from transformers import PreTrainedModel

    from genai_cli.hub.fetching import ModelFiles

OF_TOKENS = ("input_ids", "attention_mask")


class Eyes:
    """The processor of a model that sees, loaded for the first picture: a text without one needs none."""

    def __init__(self, files: "ModelFiles") -> None:
        self.files = files

    @cached_property
    def prompts(self) -> PicturePrompts:
        """What puts pictures into prompts. Raises ModelError where the model has nothing for it."""
        return PicturePrompts(self.files)

    def encode(self, messages: Sequence[Message], picture: Input, emit: Emit) -> tuple[list[int], JsonObject]:
        """The token ids of a conversation whose last message is about a picture, and the tensors of that picture."""
        inputs = self.prompts.prepare([messages], [[read_image(picture, emit)]])
        seen = {name: value for name, value in inputs.items() if name not in OF_TOKENS}
        tokens: list[int] = inputs["input_ids"][0].tolist()
        return tokens, seen


def read_image(source: Input, emit: Emit) -> "Image":
    """A picture as Pillow's, upright RGB, which the processors take. Raises InputError."""
    from PIL import Image

    return Image.fromarray(Picture.read(source, emit).pixels)


def check_sight(folder: Path, picture: Input, model: str) -> None:
    """Raise InputError for what is not a picture, or for a model that its configuration gives no eyes."""
    measure_picture(picture)
    config = read_optional_json(folder / "config.json")
    if config and "vision_config" not in config:
        raise InputError(f"{model} sees no pictures", hint="-m llava does; genai describe has smaller models")


def place_seen(seen: JsonObject, model: "PreTrainedModel") -> JsonObject:
    """The tensors of a picture on the model's device, in its dtype."""
    from transformers import BatchFeature

    return dict(BatchFeature(seen).to(model.device, model.dtype)) if seen else {}
