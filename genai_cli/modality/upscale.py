"""Larger pictures with the super-resolution models of transformers, in tiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from genai_cli.content.content import Content
from genai_cli.content.picture import Picture
from genai_cli.content.picture_reading import measure_picture
from genai_cli.content.record import COMPOSITE
from genai_cli.errors import InputError
from genai_cli.events import Emit, Progress
from genai_cli.hub.catalog import ModelKind
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.known_models import ENLARGERS
from genai_cli.modality.modality import Modality, Result
from genai_cli.modality.tiling import enlarge
from genai_cli.request.input import Input
from genai_cli.request.option import Option
from genai_cli.request.request import Request
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

TILE, SMALLEST_TILE = 256, 64  # pixels of the picture that is enlarged
OVERLAP = 64  # a smaller one shows where tiles meet; docs/upscale.md has the figures
MOST_PIXELS = 2**28  # of a result; it takes 3 bytes a pixel, and as much again while it is encoded
BY_FACTOR = {2: ENLARGERS[0].alias, 4: ENLARGERS[1].alias}


@dataclass(frozen=True, kw_only=True)
class UpscaleRequest(Request):
    """A picture, and how many times as wide and high it becomes."""

    task: ClassVar[str] = "upscale"
    default_model: ClassVar[str] = BY_FACTOR[2]
    subject: ClassVar[str] = "picture"

    picture: Input
    factor: Annotated[
        int | None,
        Option(
            "--factor",
            "--upscale",
            metavar="2|4",
            help="How many times as wide and high the picture becomes.",
            default="the model's own",
            low=2,
            high=8,
        ),
    ] = None

    @property
    def title(self) -> str:
        return f"{Path(self.picture.name).stem} enlarged"

    @classmethod
    def from_fields(cls, values: Mapping[str, object], folder: Path = Path()) -> Self:
        """A request from a row's fields; the factor chooses the model where none is named."""
        request = super().from_fields(values, folder)
        if request.model != cls.default_model or request.factor in (None, 2):
            return request
        if request.factor not in BY_FACTOR:
            raise InputError(
                f"genai knows no model that enlarges {request.factor} times",
                hint=f"{' or '.join(map(str, BY_FACTOR))} times; -m MODEL names another model",
            )
        return replace(request, model=BY_FACTOR[request.factor])


class Upscale(Modality[UpscaleRequest]):
    """A model of transformers that makes a picture larger."""

    request: ClassVar[type[Request]] = UpscaleRequest
    content: ClassVar[type[Content]] = Picture
    models: ClassVar[ModelKind] = ModelKind(
        task="upscale",
        words="a model that enlarges pictures",
        library="transformers",
        class_suffixes=("ForImageSuperResolution",),
        known=ENLARGERS,
    )
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    example: ClassVar[str] = "genai upscale photo.jpg --factor 4"
    argument: ClassVar[str] = "The pictures to enlarge"
    draws: ClassVar[bool] = False
    mark: ClassVar[str | None] = COMPOSITE

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the model."""
        from genai_cli.device.loading import load_model

        self.model = load_model(files.architecture, files, placement)
        self.factor, self.window = int(self.model.config.upscale), int(self.model.config.window_size)
        self.tile = TILE

    @classmethod
    def check(cls, folder: Path, request: UpscaleRequest) -> None:
        """Raise InputError for what is not a picture, becomes too large, or is asked of a model for another factor."""
        own = read_optional_json(folder / "config.json").get("upscale")
        if not isinstance(own, int):
            raise InputError(f"{request.model} does not state how many times it enlarges", hint="take another model")
        if request.factor not in (None, own):
            raise InputError(f"{request.model} enlarges {own} times, not {request.factor}", hint="leave -m out")
        width, height = measure_picture(request.picture)
        if width * own * height * own > MOST_PIXELS:
            raise InputError(
                f"{request.picture.name} is {width}x{height}, and {own} times that is over {MOST_PIXELS >> 20} "
                "million pixels",
                hint="a smaller picture, or --factor 2",
            )

    def generate(self, requests: Sequence[UpscaleRequest], emit: Emit) -> list[Result]:
        """Enlarge each picture."""
        results = []
        for request in requests:
            source = Picture.read(request.picture, emit)

            def report(done: int, total: int) -> None:
                emit(Progress("picture", done, total))

            overlap = min(OVERLAP, self.tile // 2)
            values = enlarge(source.pixels, self.factor, self.run, self.tile, overlap, self.window, report)
            parameters: JsonObject = replace(request, factor=self.factor).parameters()
            height, width = values.shape[:2]
            facts: JsonObject = {"sizes": {"input": [source.pixels.shape[1], source.pixels.shape[0]]}}
            facts["sizes"]["result"] = [width, height]
            if self.tile != TILE:
                facts["memory"] = [f"tiles of {self.tile}"]
            results.append(Result(Picture(values, profile=source.profile), parameters, facts))
        return results

    def run(self, pixels: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        """A part of a picture (height, width, 3), enlarged: floats from 0 to 1."""
        import numpy
        import torch

        height, width = pixels.shape[:2]
        # The model takes whole windows only, and its processor adds one where there is nothing to add.
        margins = [(0, -side % self.window) for side in (height, width)]
        padded = numpy.pad(pixels, (*margins, (0, 0)), mode="symmetric")
        model = self.model
        values = torch.from_numpy(padded).to(model.device).permute(2, 0, 1)[None].to(model.dtype) / 255
        with torch.inference_mode():
            made = model(values).reconstruction[0]
        made = made[:, : height * self.factor, : width * self.factor].permute(1, 2, 0).float().clamp(0, 1)
        return numpy.asarray(made.cpu().numpy(), numpy.float32)

    def save_memory(self, device: str) -> str | None:
        """Smaller tiles."""
        del device
        if self.tile // 2 < SMALLEST_TILE:
            return None
        self.tile //= 2
        return f"pictures are enlarged in tiles of {self.tile} pixels from now on"
