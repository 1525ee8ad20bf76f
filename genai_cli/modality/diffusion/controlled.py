"""The options of a picture that other pictures guide, by ControlNets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Self

from genai_cli.errors import InputError
from genai_cli.modality.diffusion.adaptable import ADAPTER, AdaptableRequest, identify
from genai_cli.request.control import CANNY, DEPTH, Control, DepthEstimator
from genai_cli.request.input import Input
from genai_cli.request.option import Option
from genai_cli.types import JsonObject

DEPTH_MODEL = "depth-anything/Depth-Anything-V2-Small-hf"  # apache-2.0; 99 MB
SCALE = 1.0


@dataclass(frozen=True, kw_only=True)
class ControlledRequest(AdaptableRequest):
    """A request to a pipeline that pictures can guide."""

    control: Annotated[
        tuple[Control, ...],
        Option(
            "--control",
            metavar="NAME=FILE",
            help="Guide the picture by another's edges (canny=FILE), depth (depth=FILE) or a skeleton (pose=FILE), or "
            f"by a map that is ready ({ADAPTER}=FILE, with the name of a ControlNet); may be given several times.",
        ),
    ] = ()
    control_scale: Annotated[
        tuple[float, ...],
        Option(
            "--control-scale",
            metavar="NUMBER",
            help="How strongly a --control guides: one for all, or one for each.",
            default="1",
            low=0,
            high=10,
            omit_default=True,
        ),
    ] = ()
    depth_model: Annotated[
        DepthEstimator | None,
        Option(
            "--depth-model",
            metavar=ADAPTER,
            help="What tells the depth for --control depth=FILE: OWNER/NAME of the hub, or a folder.",
            default=DEPTH_MODEL,
        ),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(one.kind == CANNY for one in self.control) and find_spec("cv2") is None:
            hint = "pip install 'genai-cli[control]'"
            raise InputError("--control canny needs OpenCV (cv2), which is not installed", hint=hint)
        if self.control_scale and not self.control:
            raise InputError("--control-scale is about a --control, and none was given")
        if self.depth_model is not None and not any(one.kind == DEPTH for one in self.control):
            raise InputError("--depth-model is about --control depth=FILE", hint="leave it out")
        if len(self.control_scale) not in (0, 1, len(self.control)):
            raise InputError(
                f"--control-scale is given {len(self.control_scale)} times, and --control {len(self.control)}",
                hint="one for all, or one for each",
            )

    @classmethod
    def from_fields(cls, values: Mapping[str, object], folder: Path = Path()) -> Self:
        """A request from a row's fields; a kind of control stands for a ControlNet of the model."""
        request = super().from_fields(values, folder)
        if not request.control:
            return request
        control = tuple(replace(one, base=request.model) if one.is_bare else one for one in request.control)
        needs_depth = request.depth_model is None and any(one.kind == DEPTH for one in control)
        depth = DepthEstimator(wanted=DEPTH_MODEL, name=DEPTH_MODEL) if needs_depth else request.depth_model
        return replace(request, control=control, depth_model=depth)

    def find_scales(self) -> tuple[float, ...]:
        """How strongly each control guides."""
        given = self.control_scale or (SCALE,)
        return given if len(given) == len(self.control) else given * len(self.control)

    def inputs(self) -> dict[str, Input]:
        guides = {
            name: one.picture
            for name, one in zip(self.name_controls(), self.control, strict=True)
            if one.picture is not None
        }
        return {**super().inputs(), **guides}

    def name_controls(self) -> list[str]:
        """The names of the pictures that guide, among a record's inputs."""
        return [f"control_{place}" if place > 1 else "control" for place in range(1, len(self.control) + 1)]

    def carry(self) -> Self:
        request = super().carry()
        carried = tuple(replace(one, picture=one.picture.carry()) for one in self.control if one.picture is not None)
        return replace(request, control=carried) if carried else request

    def content(self) -> JsonObject:
        found = super().content()
        for name, stated in zip(self.name_controls(), found.get("adapters", {}).get("control", ()), strict=True):
            stated["input"] = name
        return found

    def batch_key(self) -> tuple[object, ...]:
        if not self.control:
            return super().batch_key()
        pictures = tuple(one.picture.sha256 for one in self.control if one.picture is not None)
        return (*super().batch_key(), identify(self.control), pictures, self.find_scales())

    def pace(self) -> str:
        return f"{super().pace()}, {len(self.control)} controls" if self.control else super().pace()
