"""How a model's files may be had."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Access:
    """Whether a request may go to the hub, and which licences are allowed.

    `licenses` holds identifiers in lower case; if it is empty, every licence is allowed.
    """

    offline: bool = False
    licenses: frozenset[str] = frozenset()
