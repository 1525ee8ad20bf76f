"""Tint pictures: PNG, or JPEG and WebP by the name given.

A whole modality in one file. Its package names the class as an entry point of `genai.modalities`, and genai does the
rest: the command and its help, rows and tables, settings, batches that survive a kill, records, `show` and `rerun`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from genai_cli.content.picture import Picture
from genai_cli.content.record import COMPOSITE
from genai_cli.device.placement import Placement
from genai_cli.errors import InputError
from genai_cli.events import Emit
from genai_cli.hub.catalog import ModelKind
from genai_cli.hub.fetching import ModelFiles
from genai_cli.modality.modality import Modality, Result
from genai_cli.request.input import Input
from genai_cli.request.option import Option
from genai_cli.request.request import Request

COLOURS = ("red", "green", "blue")


@dataclass(frozen=True, kw_only=True)
class TintRequest(Request):
    """One picture, and how it is tinted."""

    task: ClassVar[str] = "tint"
    default_model: ClassVar[str] = "tiny"
    subject: ClassVar[str] = "picture"

    picture: Input
    colour: Annotated[str, Option("--colour", "--color", help="The colour of the tint.", choices=COLOURS)] = "red"
    strength: Annotated[float, Option("--strength", help="How strong the tint is.", low=0, high=1)] = 0.5


class Tint(Modality[TintRequest]):
    """Tint pictures: PNG, or JPEG and WebP by the name given."""

    request = TintRequest
    content = Picture
    models = ModelKind(
        task="tint",
        words="a tint matrix",
        library="transformers",
        class_suffixes=("TintMatrix",),
        built_in=Path(__file__).parent / "tint_model",
    )
    libraries = ("numpy",)
    example = "genai tint photo.jpg --colour blue"
    argument = "The picture to tint"
    draws = False
    mark = COMPOSITE
    loads = 0
    """How many models were loaded in this process."""

    def __init__(self, files: ModelFiles, placement: Placement) -> None:
        """Load the matrix, of shape (3, 3): a row for each colour."""
        from safetensors.numpy import load_file

        del placement
        self.matrix = load_file(files.weights[0])["matrix"]
        Tint.loads += 1

    @classmethod
    def check(cls, folder: Path, request: TintRequest) -> None:
        """Raise InputError for anything but a picture; `folder` holds the model's files."""
        del folder
        if not request.picture.media_type.startswith("image/"):
            raise InputError(f"{request.picture.name} is not a picture")

    def generate(self, requests: Sequence[TintRequest], emit: Emit) -> list[Result]:
        """Mix each pixel with its product with the colour's row."""
        import numpy

        results = []
        for request in requests:
            pixels = Picture.read(request.picture, emit).pixels.astype(numpy.float32) / 255
            tint = self.matrix[COLOURS.index(request.colour)]
            mixed = pixels * (1 - request.strength) + pixels * tint * request.strength
            results.append(Result(Picture(mixed.astype(numpy.float32)), request.parameters()))
        return results
