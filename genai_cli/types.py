"""Types that every room shares."""

from typing import Any

JsonObject = dict[str, Any]
"""A JSON object as a parser gives it. Whoever takes a value out of it checks what it is."""
