"""Pictures from text with any text-to-image pipeline of diffusers."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.content.openai_answers import DATA, IMAGES, URL, answer_images
from genai_cli.content.picture import Picture
from genai_cli.content.picture_reading import measure_picture
from genai_cli.errors import InputError
from genai_cli.events import Emit, tag_item
from genai_cli.hub.catalog import ModelKind
from genai_cli.modality.diffusion.controlled import ControlledRequest
from genai_cli.modality.diffusion.controlling import check_controls
from genai_cli.modality.diffusion.editing import Editor, check_strength, choose_size, edit_whole, find_size, read_way
from genai_cli.modality.diffusion.painter import Painter
from genai_cli.modality.diffusion.pipelines import makes_pictures
from genai_cli.modality.diffusion.service import SERVICE
from genai_cli.modality.diffusion.ways import Way
from genai_cli.modality.known_models import PICTURES
from genai_cli.modality.modality import TINY, Result
from genai_cli.modality.service import Service
from genai_cli.request.input import Input
from genai_cli.request.openai_rows import ONE_PROMPT, Endpoint, read_one_prompt
from genai_cli.request.option import Option
from genai_cli.request.request import Request

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline


@dataclass(frozen=True, kw_only=True)
class ImageRequest(ControlledRequest):
    """One picture from a text."""

    task: ClassVar[str] = "image"
    default_model: ClassVar[str] = "sd15"
    derived: ClassVar[tuple[str, ...]] = ("width", "height")

    picture: Annotated[
        Input | None,
        Option("--from", metavar="FILE", help="Start from this picture, as genai edit does, which has more ways."),
    ] = None
    strength: Annotated[
        float | None,
        Option(
            "--strength",
            help="With --from, how much of the picture is made new.",
            default="the model's own, or 0.8",
            low=0,
            high=1,
            above=True,
            omit_default=True,
        ),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.strength is not None and self.picture is None:
            raise InputError("--strength is about a picture to start from", hint="--from FILE names one")

    def batch_key(self) -> tuple[object, ...]:
        picture = (find_size(self.picture), self.strength) if self.picture else ()
        return (*super().batch_key(), *picture)


class Image(Painter[ImageRequest]):
    """A text-to-image pipeline of diffusers."""

    request: ClassVar[type[Request]] = ImageRequest
    models: ClassVar[ModelKind] = ModelKind(
        task="image",
        words="a text-to-image model",
        library="diffusers",
        known=PICTURES,
        built_in=TINY / "image",
    )
    example: ClassVar[str] = 'genai image "an astronaut riding a horse" -n 4 -o pictures/'
    endpoints: ClassVar[tuple[Endpoint, ...]] = (
        Endpoint(
            "/v1/images/generations",
            names={"size": "size", "n": "num", "seed": "seed"},
            read=read_one_prompt,
            answer=answer_images,
            ignored=frozenset({"response_format"}),
            formats={"png": ".png", "jpeg": ".jpg", "webp": ".webp"},
            unset={"size": "auto"},
            takes=ONE_PROMPT,
            gives=IMAGES,
            packings=(DATA, URL),
        ),
    )
    service: ClassVar[Service | None] = SERVICE

    @classmethod
    def takes(cls, pipeline_class: "type[DiffusionPipeline]") -> bool:
        """Whether it makes a picture from a text alone."""
        return makes_pictures(pipeline_class)

    @classmethod
    def check(cls, folder: Path, request: ImageRequest) -> None:
        """Raise InputError for options that the model cannot take, or a file to start from that is not a picture."""
        super().check(folder, request)
        check_controls(folder, request, from_picture=request.picture is not None)
        if request.picture is not None:
            measure_picture(request.picture)
            if read_way(folder) is not Way.NOISE:
                raise InputError(f"{request.model} cannot start from a picture", hint="leave --from out")
            check_strength(folder, request, request.strength)

    @functools.cached_property
    def editor(self) -> Editor:
        """What starts from a picture. Raises InputError where no pipeline of the model's kind does."""
        return Editor(self.pipeline)

    def generate(self, requests: Sequence[ImageRequest], emit: Emit) -> list[Result]:
        """Make one picture for each request. Raises InputError for what the pipeline refuses."""
        shared = requests[0]
        sources = [request.picture for request in requests if request.picture is not None]
        if sources:
            return edit_whole(self, self.editor, requests, sources, {"strength": shared.strength}, emit)
        pipeline = self.controlling.guide(shared, from_picture=False)
        width, height = shared.width, shared.height
        if shared.control and shared.control[0].picture is not None:
            width, height = choose_size(self, shared, measure_picture(shared.control[0].picture))
        given = {"width": width, "height": height}
        if width and height:
            given |= self.controlling.argue(shared, (width, height), emit, from_picture=False)
        arguments = self.choose_arguments(pipeline, shared, given, len(requests), emit)
        facts = self.place_scheduler(pipeline, shared, arguments.get("num_inference_steps"), emit)
        for place, request in enumerate(requests):
            self.report_unread(request, tag_item(emit, place))
        pictures = self.paint(pipeline, requests, arguments, facts, emit)
        used = self.find_used(pipeline, shared, arguments, emit)
        return [
            self.describe(
                request,
                Picture(made.values, made.filtered),
                used | {"width": int(made.values.shape[1]), "height": int(made.values.shape[0])},
                made.facts,
            )
            for request, made in zip(requests, pictures, strict=True)
        ]
