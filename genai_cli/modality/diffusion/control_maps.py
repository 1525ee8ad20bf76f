"""The map that a ControlNet reads, made from a picture: its edges, its depth, or the picture as it is."""

from typing import TYPE_CHECKING

from genai_cli.errors import InputError
from genai_cli.request.control import CANNY, DEPTH, POSE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genai_cli.device.depth import DepthModel

# Of the gradient's size: https://github.com/lllyasviel/ControlNet, gradio_canny2image.py
LOW, HIGH = 100, 200
FULL = 255
DARK = 40  # a channel's value up to which a pixel counts as black
LEAST_BLACK = 0.5  # of a skeleton's picture


def make_map(
    kind: str | None, pixels: "NDArray[np.uint8]", name: str, depth: "DepthModel | None"
) -> "NDArray[np.uint8]":
    """The map of a picture, of its shape (height, width, 3). Raises InputError where it cannot be made."""
    import numpy

    if kind == CANNY:
        return numpy.repeat(find_edges(pixels)[..., None], 3, axis=2)
    if kind == DEPTH and depth is not None:
        return numpy.repeat(show_depth(depth.estimate(pixels))[..., None], 3, axis=2)
    if kind == POSE:
        check_skeleton(pixels, name)
    return pixels


def find_edges(pixels: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """The edges of a picture in white on black, of shape (height, width)."""
    import cv2
    import numpy

    return numpy.asarray(cv2.Canny(numpy.ascontiguousarray(pixels), LOW, HIGH), numpy.uint8)


def show_depth(nearness: "NDArray[np.float32]") -> "NDArray[np.uint8]":
    """How near things are, as a picture of shape (height, width): the nearest is white."""
    import numpy

    least, most = float(nearness.min()), float(nearness.max())
    span = most - least if most > least else 1.0
    return ((nearness - least) / span * FULL).round().astype(numpy.uint8)


def check_skeleton(pixels: "NDArray[np.uint8]", name: str) -> None:
    """Raise InputError for a picture that is not a skeleton on black, as OpenPose draws it."""
    if (pixels.max(axis=2) <= DARK).mean() < LEAST_BLACK:
        raise InputError(
            f"{name} is not a skeleton on black, and genai finds no poses",
            hint="OpenposeDetector of controlnet_aux, or an editor of poses, draws one: --control pose=SKELETON",
        )
