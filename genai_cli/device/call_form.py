"""The arguments of a call taken apart into tensors, and the form around them that is the same at each step."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class Slot(NamedTuple):
    """The place of a tensor: its position among all of a call, and what of it a form fixes."""

    position: int
    dtype: str
    dimensions: int


class UnsuitableCall(ValueError):
    """A call with an argument that a fixed form cannot hold."""


def take_apart(value: object, name: str, tensors: "list[torch.Tensor]") -> object:
    """The form of an argument; its tensors are added to `tensors`.

    Raises UnsuitableCall for what may change from step to step (numbers), or may be written to (lists).
    """
    import torch

    if isinstance(value, torch.Tensor):
        tensors.append(value)
        return Slot(len(tensors) - 1, str(value.dtype).removeprefix("torch."), value.ndim)
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, dict):
        return {part: take_apart(value[part], str(part), tensors) for part in value}
    raise UnsuitableCall(f"its argument {name} is a {type(value).__name__}")


def put_together(form: object, tensors: "Sequence[torch.Tensor]") -> object:
    """An argument of that form, with these tensors."""
    if isinstance(form, Slot):
        return tensors[form.position]
    if isinstance(form, dict):
        return {name: put_together(part, tensors) for name, part in form.items()}
    return form


class CallForm(NamedTuple):
    """The form of all arguments of a call."""

    arguments: tuple[object, ...]
    named: dict[str, object]

    @classmethod
    def take(cls, arguments: Sequence[object], named: dict[str, object]) -> "tuple[CallForm, list[torch.Tensor]]":
        """The form of a call, and its tensors. Raises UnsuitableCall."""
        tensors: list[torch.Tensor] = []
        placed = tuple(take_apart(value, str(place), tensors) for place, value in enumerate(arguments))
        return cls(placed, {name: take_apart(value, name, tensors) for name, value in named.items()}), tensors

    def fill(self, tensors: "Sequence[torch.Tensor]") -> tuple[list[object], dict[str, object]]:
        """The arguments of such a call with these tensors."""
        placed = [put_together(part, tensors) for part in self.arguments]
        return placed, {name: put_together(part, tensors) for name, part in self.named.items()}
