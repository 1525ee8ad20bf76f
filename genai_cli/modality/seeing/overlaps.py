"""Boxes that a model finds are cut to the picture, and of those that show one thing the best is kept."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def cut_boxes(boxes: "Tensor", size: tuple[int, int]) -> "Tensor":
    """Boxes of shape (boxes, 4) with left, top, right and bottom in pixels, inside a picture of this width and height.

    One that lies beside it is left without an area.
    """
    import torch

    limits = torch.tensor([*size, *size], dtype=boxes.dtype)
    return boxes.clamp(min=torch.zeros_like(limits), max=limits)


def choose_boxes(boxes: "Tensor", scores: "Tensor", labels: list[str], overlap: float) -> list[int]:
    """The positions of the boxes that stay, best first: none shares over `overlap` with a better one of its label.

    What two boxes share is the area of both together in that of either (intersection over union).
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = scores.argsort(descending=True, stable=True).tolist()
    kept: list[int] = []
    while left:
        best, *others = left
        kept.append(best)
        shared = share_areas(boxes[best], boxes[others])
        together = areas[best] + areas[others] - shared
        shares = (shared / together.clamp(min=1e-9)).tolist()
        left = [
            other
            for other, share in zip(others, shares, strict=True)
            if share <= overlap or labels[other] != labels[best]
        ]
    return kept


def share_areas(box: "Tensor", others: "Tensor") -> "Tensor":
    """The area that a box shares with each of others, of shape (others,)."""
    import torch

    begin, end = torch.maximum(box[:2], others[:, :2]), torch.minimum(box[2:], others[:, 2:])
    return (end - begin).clamp(min=0).prod(dim=-1)
