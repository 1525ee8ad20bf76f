"""What a producer is told beside the jobs themselves."""

from dataclasses import dataclass, field

from genai_cli.device.spec import ModelSpec
from genai_cli.hub.access import Access


@dataclass(frozen=True)
class Delivery:
    """How results become files: nothing of it concerns the model. A suffix of None is the medium's usual one.

    The key of a signature is not here: a delivery travels to other machines, and a key stays where the command runs.
    """

    suffix: str | None = None
    metadata: bool = True


@dataclass(frozen=True)
class Hints:
    """What helps to decide how to work, and changes no result."""

    items: int = 1
    """How many items are left to make, as far as is known."""
    pace: str = ""
    """What of the options of most of them decides how long the model takes, in words."""
    batch_size: int | None = None
    """How many items at once at most; None: as many as suit the device."""
    joins: bool = False
    """Whether items of other commands may be made at once with these on an accelerator, where last digits may differ.
    On a CPU they may always: an item is the same in any group."""


@dataclass(frozen=True)
class Assignment:
    """All that a producer needs, here or on another machine. Only another `spec` makes it load a model."""

    spec: ModelSpec
    access: Access = field(default_factory=Access)
    delivery: Delivery = field(default_factory=Delivery)
    hints: Hints = field(default_factory=Hints)
