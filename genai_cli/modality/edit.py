"""Pictures from pictures: whole ones, masked parts and instructions, with the pipelines of diffusers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.content.openai_answers import DATA, IMAGES, URL, answer_images
from genai_cli.content.picture import Picture
from genai_cli.content.picture_reading import measure_picture, read_mask, read_transparency, whiten_transparency
from genai_cli.content.record import COMPOSITE
from genai_cli.errors import InputError
from genai_cli.events import Detail, Emit, Notice
from genai_cli.hub.catalog import ModelKind
from genai_cli.modality.diffusion.controlled import ControlledRequest
from genai_cli.modality.diffusion.controlling import check_controls
from genai_cli.modality.diffusion.editing import (
    Editor,
    Work,
    check_strength,
    edit_whole,
    find_size,
    paint_over,
    read_way,
)
from genai_cli.modality.diffusion.masks import FULL, compose, cover, feather_mask, find_box, resize, resize_floats
from genai_cli.modality.diffusion.painter import Painter
from genai_cli.modality.diffusion.regions import AUTO, WHOLE, Box, choose_region, fit_size, parse_four
from genai_cli.modality.diffusion.request import MAX_SIDE
from genai_cli.modality.diffusion.ways import EDITS_PICTURES, Way, find_way
from genai_cli.modality.modality import TINY, Result
from genai_cli.request.input import Input
from genai_cli.request.openai_rows import FILE, FORM, ONE_PROMPT, Endpoint, read_one_prompt
from genai_cli.request.option import Option
from genai_cli.request.request import PROMPT, Request
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from diffusers import DiffusionPipeline
    from numpy.typing import NDArray

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

MARGINS = "LEFT,TOP,RIGHT,BOTTOM in pixels"
LONGEST_NAME = 30  # characters of a picture's name in that of the result, which has room for the prompt then
SOFT = 1 / 64  # of the shorter side of the masked part, over which an edit begins


@dataclass(frozen=True, kw_only=True)
class EditRequest(ControlledRequest):
    """A picture, what is to become of it, and where. Sizes are those at which the model works."""

    task: ClassVar[str] = "edit"
    default_model: ClassVar[str] = "sd15"
    subject: ClassVar[str] = "picture"
    last: ClassVar[str | None] = PROMPT
    derived: ClassVar[tuple[str, ...]] = ("width", "height", "region", "feather")

    picture: Input
    strength: Annotated[
        float | None,
        Option(
            "--strength",
            help="How much of the picture is made new: 1 keeps next to nothing. It costs as many of the steps.",
            default="the model's own, or 0.8",
            low=0,
            high=1,
            above=True,
            omit_default=True,
        ),
    ] = None
    mask: Annotated[
        Input | None,
        Option(
            "--mask",
            metavar="FILE|alpha",
            help="Change what is white in this picture; alpha: what is transparent in the picture itself.",
            instead=("alpha", "mask_alpha"),
        ),
    ] = None
    mask_alpha: bool = False
    invert_mask: Annotated[bool, Option("--invert-mask", help="Change what the mask keeps.", omit_default=True)] = False
    feather: Annotated[
        float | None,
        Option(
            "--feather",
            metavar="PIXELS",
            help="Inside the mask, over how many pixels the change sets in; nothing outside it changes.",
            default="a 64th of the masked part",
            low=0,
            high=1000,
            omit_default=True,
        ),
    ] = None
    region: Annotated[
        str,
        Option(
            "--region",
            metavar="auto|whole|L,T,R,B",
            help="With a mask, what the model sees: auto is the masked part with surroundings.",
            omit_default=True,
        ),
    ] = AUTO
    outpaint: Annotated[
        str | None,
        Option(
            "--outpaint",
            metavar="L,T,R,B",
            help="Make the picture larger by so many pixels on its sides.",
            omit_default=True,
        ),
    ] = None
    image_guidance_scale: Annotated[
        float | None,
        Option(
            "--image-guidance",
            help="How closely a model that follows instructions keeps to the picture.",
            default="the model's own",
            low=0,
            high=100,
            omit_default=True,
        ),
    ] = None

    upscale: Annotated[
        int | None,
        Option(
            "--upscale",
            metavar="2|4",
            help="Make the picture so many times as large and change nothing, as genai upscale does; takes no prompt.",
            low=2,
            high=8,
            recorded=False,
            turns_to="upscale",
        ),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.upscale is not None:
            raise InputError("in rows, upscale is a task of its own", hint='{"task": "upscale", "picture": FILE}')
        if self.mask is not None and self.mask_alpha:
            raise InputError("--mask FILE and --mask alpha are two masks", hint="leave one of them out")
        if self.region not in (AUTO, WHOLE):
            Box.parse(self.region)
        if self.outpaint is not None and not 0 < max(parse_margins(self.outpaint)) <= MAX_SIDE:
            raise InputError(f"--outpaint must add 1 to {MAX_SIDE} pixels, not {self.outpaint}")
        has_mask = self.mask is not None or self.mask_alpha
        for given, option in ((self.invert_mask, "--invert-mask"), (self.feather is not None, "--feather")):
            if given and not has_mask and (self.outpaint is None or option == "--invert-mask"):
                raise InputError(f"{option} is about a mask, and none was given", hint="--mask FILE names one")

    @property
    def title(self) -> str:
        return f"{Path(self.picture.name).stem[:LONGEST_NAME]} {self.prompt}"

    @property
    def is_masked(self) -> bool:
        """Whether a part of the picture is changed, and the rest stays as it is."""
        return self.mask is not None or self.mask_alpha or self.outpaint is not None

    def parameters(self) -> JsonObject:
        found = super().parameters()
        return found if self.mask_alpha else {name: value for name, value in found.items() if name != "mask_alpha"}

    def batch_key(self) -> tuple[object, ...]:
        shared = (*super().batch_key(), self.strength, self.image_guidance_scale)
        if not self.is_masked:
            return (*shared, find_size(self.picture))
        mask = self.mask.sha256 if self.mask else None
        parts = (self.mask_alpha, self.invert_mask, self.feather, self.region, self.outpaint)
        return (*shared, self.picture.sha256, mask, *parts)

    def pace(self) -> str:
        return f"{super().pace()}, strength {self.strength or 'default'}"


def parse_margins(text: str) -> list[int]:
    """How much a picture grows to the left, the top, the right and the bottom. Raises InputError."""
    return parse_four(text, "--outpaint", MARGINS)


def read_form(body: JsonObject) -> list[JsonObject]:
    """The prompt and the files of a form, whose mask is transparent where the picture changes. Raises InputError."""
    picture, mask = body.get("image"), body.get("mask")
    if not isinstance(picture, Input) or not (mask is None or isinstance(mask, Input)):
        raise InputError("image and mask must be files of a form (multipart/form-data)")
    masks = {"mask": whiten_transparency(mask)} if mask is not None else {}
    return [{**content, "picture": picture, **masks} for content in read_one_prompt(body)]


@dataclass(frozen=True)
class Canvas:
    """A picture to be changed: pixels of shape (height, width, 3), and how much of each changes (height, width)."""

    pixels: "NDArray[np.uint8]"
    mask: "NDArray[np.uint8]"
    profile: bytes | None = None


class Edit(Painter[EditRequest]):
    """A pipeline of diffusers that starts from a picture."""

    request: ClassVar[type[Request]] = EditRequest
    models: ClassVar[ModelKind] = ModelKind(
        task="edit",
        words=EDITS_PICTURES,
        library="diffusers",
        built_in=TINY / "image",
    )
    example: ClassVar[str] = 'genai edit photo.jpg "as a watercolour" --strength 0.6'
    argument: ClassVar[str] = "The pictures, and last what is to become of them"
    mark: ClassVar[str | None] = COMPOSITE
    endpoints: ClassVar[tuple[Endpoint, ...]] = (
        Endpoint(
            "/v1/images/edits",
            names={"size": "size", "n": "num", "seed": "seed", "strength": "strength"},
            read=read_form,
            answer=answer_images,
            ignored=frozenset({"image", "mask", "response_format", "input_fidelity"}),
            formats={"png": ".png", "jpeg": ".jpg", "webp": ".webp"},
            unset={"size": "auto"},
            takes={**ONE_PROMPT, "image": FILE, "mask": FILE},
            optional=frozenset({"mask"}),
            gives=IMAGES,
            packings=(DATA, URL),
            media_type=FORM,
        ),
    )

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load the pipeline. Raises InputError where it edits no pictures."""
        super().__init__(files, placement)
        self.editor = Editor(self.pipeline)

    @classmethod
    def takes(cls, pipeline_class: "type[DiffusionPipeline]") -> bool:
        """Whether it edits pictures in some way."""
        return find_way(pipeline_class) is not None

    @classmethod
    def check(cls, folder: Path, request: EditRequest) -> None:
        """Raise InputError for files that are not pictures or do not fit together, and for what the model cannot do."""
        super().check(folder, request)
        check_controls(folder, request, from_picture=True)
        size = measure_picture(request.picture)
        for guide in (one.picture for one in request.control if one.picture is not None):
            check_shape(f"the control {guide.name}", measure_picture(guide), grow(request, size))
        if request.mask is not None:
            check_shape(f"the mask {request.mask.name}", measure_picture(request.mask), size)
        if request.strength is not None or request.outpaint is None:
            check_strength(folder, request, request.strength)
        if request.image_guidance_scale is not None and read_way(folder) not in (Way.INSTRUCTION, None):
            raise InputError(
                f"--image-guidance is for models that follow instructions, and {request.model} does not",
                hint="--strength says how much of the picture is made new",
            )

    def generate(self, requests: Sequence[EditRequest], emit: Emit) -> list[Result]:
        """Edit one picture for each request. Raises InputError for what the pipeline refuses."""
        shared = requests[0]
        strength = shared.strength
        if strength is None and shared.outpaint is not None and self.editor.way is not Way.INSTRUCTION:
            strength = 1.0  # what is there to start from is made up of the picture's edges
        given = {"strength": strength, "image_guidance_scale": shared.image_guidance_scale}
        if not shared.is_masked:
            return edit_whole(self, self.editor, requests, [request.picture for request in requests], given, emit)
        canvas = read_canvas(shared, emit)
        masked = find_box(canvas.mask)
        if masked is None:
            hint = "white is changed: --invert-mask changes what is black" if shared.mask else "--invert-mask"
            raise InputError("the mask changes nothing", hint=hint)
        height, width = canvas.mask.shape
        region = choose_region(shared.region, (width, height), masked, self.own_side)
        fitted = fit_size(region.width, region.height, self.own_side, self.size_multiple)
        size = shared.width or fitted[0], shared.height or fitted[1]
        emit(Detail(f"of {width}x{height} pixels the model sees {region}, at {size[0]}x{size[1]}"))
        pixels, mask = canvas.pixels[region.slices], canvas.mask[region.slices]
        work = Work(
            [resize(pixels, size)] * len(requests),
            cover(mask, size),
            lambda guide: resize(guide, (width, height))[region.slices],
        )
        pictures, used = paint_over(self, self.editor, requests, work, given, emit)
        feather = shared.feather if shared.feather is not None else round(min(masked.width, masked.height) * SOFT, 1)
        soft = feather_mask(canvas.mask, feather)[region.slices]
        shaped = used | {"width": size[0], "height": size[1], "region": str(region), "feather": feather}
        results = []
        for request, made in zip(requests, pictures, strict=True):
            changed = canvas.pixels.copy()
            changed[region.slices] = compose(pixels, resize_floats(made.values, (region.width, region.height)), soft)
            facts = {**made.facts, "sizes": {"work": [*size], "result": [width, height]}}
            results.append(self.describe(request, Picture(changed, made.filtered, canvas.profile), shaped, facts))
        return results


def check_shape(what: str, size: tuple[int, int], wanted: tuple[int, int]) -> None:
    """Raise InputError for what is of another shape than the picture; a smaller or larger one is fitted."""
    if abs(size[0] * wanted[1] - size[1] * wanted[0]) > 0.02 * size[0] * wanted[1]:
        shown = f"{size[0]}x{size[1]}, and the picture {wanted[0]}x{wanted[1]}"
        raise InputError(f"{what} is {shown}", hint="they need the same shape")


def grow(request: EditRequest, size: tuple[int, int]) -> tuple[int, int]:
    """The size (width, height) of a request's picture of that size, where it is made larger."""
    if request.outpaint is None:
        return size
    left, top, right, bottom = parse_margins(request.outpaint)
    return size[0] + left + right, size[1] + top + bottom


def read_canvas(request: EditRequest, emit: Emit) -> Canvas:
    """The picture of a request, grown where that is asked for, and what of it changes. Raises InputError."""
    import numpy

    picture = Picture.read(request.picture, emit)
    pixels = picture.pixels
    if request.mask_alpha:
        pixels, mask = read_transparency(request.picture, emit)
    else:
        mask = numpy.zeros(pixels.shape[:2], numpy.uint8)
        if request.mask is not None:
            mask = read_mask(request.mask, emit)
            if mask.shape != pixels.shape[:2]:
                emit(Notice(f"the mask {request.mask.name} is fitted to the size of the picture"))
                mask = resize(mask, (pixels.shape[1], pixels.shape[0]))
    if request.invert_mask:
        mask = FULL - mask
    if request.outpaint is None:
        return Canvas(pixels, mask, picture.profile)
    left, top, right, bottom = parse_margins(request.outpaint)
    margins = ((top, bottom), (left, right))
    grown = numpy.pad(pixels, (*margins, (0, 0)), mode="edge")
    return Canvas(grown, numpy.pad(mask, margins, constant_values=FULL), picture.profile)
