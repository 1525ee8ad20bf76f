"""How an earlier result was made, where it is to be made again: a row that comes from a record carries it."""

from typing import NamedTuple


class MadeIn(NamedTuple):
    """The device and the dtype that a record names, and the variant of the weight files (None: the plain ones)."""

    device: str
    dtype: str
    variant: str | None
    compiler: str | None = None
    """The compiler whose networks made the result, where they are kept and another run may use them."""
