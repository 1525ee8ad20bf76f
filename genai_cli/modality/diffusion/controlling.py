"""A loaded pipeline is guided by ControlNets: which pipeline, with which maps. Those of the next request may differ."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.content.picture import Picture
from genai_cli.content.picture_reading import measure_picture
from genai_cli.device.control_nets import load_control_net
from genai_cli.errors import InputError
from genai_cli.events import Detail, Emit, Notice
from genai_cli.hub.control_net_file import PLAIN, describe_control_net
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.diffusion.adapting import find_unchanged
from genai_cli.modality.diffusion.control_maps import make_map
from genai_cli.modality.diffusion.controlled import ControlledRequest
from genai_cli.modality.diffusion.masks import resize
from genai_cli.modality.diffusion.pipelines import find_pipeline_class
from genai_cli.modality.diffusion.ways import find_controlled_pipeline
from genai_cli.request.control import CANNY, DEPTH, POSE, Control, DepthEstimator
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from diffusers import ControlNetModel, DiffusionPipeline
    from numpy.typing import NDArray

    from genai_cli.device.depth import DepthModel
    from genai_cli.device.placement import Placement

KEPT = 3  # ControlNets that stay in memory: one of Stable Diffusion 1.5 in float16 has 723 MB
TASKS = {POSE: 0, DEPTH: 1, CANNY: 3}
"""The kinds of maps as Union ControlNets count them: https://huggingface.co/xinsir/controlnet-union-sdxl-1.0"""
SAME = {
    "cross_attention_dim": "features of the text",
    "block_out_channels": "channels in its blocks",
    "layers_per_block": "layers in a block",
}
"""What a ControlNet has in common with the UNet that it guides."""

Fit = "Callable[[NDArray[np.uint8]], NDArray[np.uint8]]"


class Controlling:
    """The ControlNets of a loaded model."""

    def __init__(self, pipeline: "DiffusionPipeline", placement: "Placement") -> None:
        self.pipeline = pipeline
        self.placement = placement
        self.nets: OrderedDict[str, ControlNetModel] = OrderedDict()
        """By their SHA-256; the last used stand last."""
        self.depth: tuple[str, DepthModel] | None = None
        """What estimated depth last, with its SHA-256."""
        self.maps: tuple[object, list[NDArray[np.uint8]]] | None = None
        """The last maps, and what they were made of."""

    def guide(self, request: ControlledRequest, *, from_picture: bool) -> "DiffusionPipeline":
        """The pipeline that the request's ControlNets guide, made of the same parts; itself where there are none."""
        if not request.control:
            return self.pipeline
        nets = [self.load(control) for control in request.control]
        while len(self.nets) > max(KEPT, len({one.sha256 for one in request.control})):
            self.nets.popitem(last=False)
        union = is_union(request.control[0])  # then all are the same
        kind = find_controlled_pipeline(type(self.pipeline), from_picture=from_picture, union=union)
        if kind is None:
            raise InputError(
                f"{type(self.pipeline).__name__} has no place for a ControlNet", hint="leave --control out"
            )
        several = len(nets) > 1 and not union
        guided = kind.from_pipe(
            self.pipeline, controlnet=nets if several else nets[0], torch_dtype=self.pipeline.unet.dtype
        )
        guided.set_progress_bar_config(disable=True)
        return guided

    def load(self, control: Control) -> "ControlNetModel":
        """A ControlNet, from its file where it is not in memory. Raises InputError, ModelError."""
        if control.sha256 not in self.nets:
            path = find_unchanged(control)
            self.nets[control.sha256] = load_control_net(path, control.name, self.pipeline.unet)
        self.nets.move_to_end(control.sha256)
        return self.nets[control.sha256]

    def argue(
        self,
        request: ControlledRequest,
        size: tuple[int, int],
        emit: Emit,
        *,
        from_picture: bool,
        crop: "Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None" = None,
    ) -> JsonObject:
        """What the guided pipeline is given beside its usual arguments; maps have the size (width, height) of the work.

        `crop` cuts out of a picture what the model sees of it.
        """
        from PIL import Image

        if not request.control:
            return {}
        maps = [Image.fromarray(values) for values in self.make_maps(request, size, emit, crop)]
        scales = list(request.find_scales())
        if is_union(request.control[0]):
            tasks = [TASKS[str(one.kind)] for one in request.control]
            return {"control_image": maps, "control_mode": tasks, "controlnet_conditioning_scale": scales}
        is_one = len(maps) == 1
        return {
            "control_image" if from_picture else "image": maps[0] if is_one else maps,
            "controlnet_conditioning_scale": scales[0] if is_one else scales,
        }

    def make_maps(
        self,
        request: ControlledRequest,
        size: tuple[int, int],
        emit: Emit,
        crop: "Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None",
    ) -> "list[NDArray[np.uint8]]":
        """The map of each control; those of the last request are kept."""
        estimator = request.depth_model.sha256 if request.depth_model else None
        made_of = [(one.kind, one.picture.sha256) for one in request.control if one.picture is not None]
        key = (made_of, size, estimator)
        if crop is None and self.maps is not None and self.maps[0] == key:
            return self.maps[1]
        maps = []
        for control in request.control:
            if control.picture is None:
                raise InputError(f"{control.name} has no picture", hint="--control NAME=FILE")
            pixels = Picture.read(control.picture, emit).pixels
            pixels = crop(pixels) if crop is not None else pixels
            if is_stretched((pixels.shape[1], pixels.shape[0]), size):
                name, shown = control.picture.name, f"{pixels.shape[1]}x{pixels.shape[0]}"
                emit(Notice(f"{name} is {shown} and is stretched to {size[0]}x{size[1]}", once=True))
            depth = self.find_depth(request.depth_model, emit) if control.kind == DEPTH else None
            maps.append(make_map(control.kind, resize(pixels, size), control.picture.name, depth))
        self.maps = (key, maps) if crop is None else None
        return maps

    def find_depth(self, estimator: DepthEstimator | None, emit: Emit) -> "DepthModel | None":
        """What estimates depth, loaded at its first use. Raises InputError, ModelError."""
        from genai_cli.device.depth import DepthModel

        if estimator is None:
            return None
        if self.depth is None or self.depth[0] != estimator.sha256:
            emit(Detail(f"depth is estimated by {estimator.name}"))
            self.depth = estimator.sha256, DepthModel(find_unchanged(estimator), self.placement)
        return self.depth[1]


def is_stretched(size: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """Whether a picture changes its shape visibly at another size."""
    return abs(size[0] * wanted[1] - size[1] * wanted[0]) > 0.05 * size[0] * wanted[1]


def is_union(control: Control) -> bool:
    """Whether a ControlNet was trained for several kinds of maps."""
    return control.path is not None and describe_control_net(control.path).is_union


def check_controls(folder: Path, request: ControlledRequest, *, from_picture: bool) -> None:
    """Raise InputError for a picture that is none, and for a ControlNet that does not fit the model in a folder."""
    if not request.control:
        return
    own = read_optional_json(folder / "unet" / "config.json")
    name = str(read_optional_json(folder / "model_index.json").get("_class_name"))
    pipeline_class = find_pipeline_class(name)
    if not own or pipeline_class is None or find_controlled_pipeline(pipeline_class, from_picture=from_picture) is None:
        raise InputError(
            f"{request.model} takes no --control: {name} has no place for one",
            hint="genai adds ControlNets to models of Stable Diffusion 1.x, 2.x and XL that start from text or noise",
        )
    for control in request.control:
        if control.picture is not None:
            measure_picture(control.picture)
        if control.path is not None:
            check_net(control, control.path, own, request.model)
    unions = [control for control in request.control if is_union(control)]
    if unions:
        has_place = find_controlled_pipeline(pipeline_class, from_picture=from_picture, union=True) is not None
        check_unions(unions, request, has_place)


def check_unions(unions: list[Control], request: ControlledRequest, has_place: bool) -> None:
    """Raise InputError for a Union ControlNet that cannot be used as it is asked for."""
    first = unions[0]
    if not has_place:
        raise InputError(
            f"{first.name} is a Union ControlNet, and {request.model} takes none",
            hint="they are for Stable Diffusion XL",
        )
    if len({control.sha256 for control in request.control}) > 1:
        raise InputError(
            f"{first.name} is a Union ControlNet, which guides alone", hint="name it in each --control, or in none"
        )
    if unclear := [control for control in unions if control.kind is None]:
        forms = ", ".join(f"{kind}:{first.name}=FILE" for kind in TASKS)
        raise InputError(f"{unclear[0].name} is a Union ControlNet, which must know what a map shows", hint=forms)


def check_net(control: Control, path: Path, own: JsonObject, model: str) -> None:
    """Raise InputError for a ControlNet of another kind, or one whose parts are not those of the model's UNet."""
    net = describe_control_net(path)
    found = net.stated.get("_class_name", PLAIN)
    if found != PLAIN and not net.is_union:
        raise InputError(
            f"the ControlNet {control.name} is a {found}", hint=f"genai takes a {PLAIN} or a Union ControlNet"
        )
    stated = net.stated or {"cross_attention_dim": net.text_width}
    for name, words in SAME.items():
        theirs, ours = stated.get(name), own.get(name)
        if theirs is not None and ours is not None and theirs != ours:
            raise InputError(
                f"the ControlNet {control.name} does not fit {model}: it has {show(theirs)} {words}, and the model "
                f"{show(ours)}",
                hint="it was made for another base model",
            )


def show(value: object) -> str:
    """A number, or several of them, in words."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
