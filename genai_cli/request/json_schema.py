"""Options as JSON Schema, from what their fields declare.

https://json-schema.org/draft/2020-12
"""

import math

from genai_cli.request.option import LARGEST, Declared, accepted_types
from genai_cli.types import JsonObject

TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}


def describe_option(declared: Declared) -> JsonObject:
    """The values that a field takes, null among them: it stands for the default."""
    option = declared.option
    wanted, item, _ = accepted_types(declared.hint)
    allowed = list(option.allowed())
    kinds: list[JsonObject]
    if allowed:
        kinds = [{"enum": allowed}]
    elif wanted is tuple:
        text = {"type": TYPES[item]}
        kinds = [text, {"type": "array", "items": text}]
    else:
        kinds = [{"type": TYPES[wanted], **describe_range(declared)}]
    if option.unset is not None:
        kinds.append({"const": option.unset})
    return {"anyOf": [*kinds, {"type": "null"}], "description": option.help}


def describe_range(declared: Declared) -> JsonObject:
    """The bounds of a number."""
    option = declared.option
    if option.low is None:
        return {}
    found: JsonObject = {"exclusiveMinimum" if option.above else "minimum": option.low}
    if option.high < math.inf:
        found["maximum"] = option.high
    elif accepted_types(declared.hint)[0] is int:
        found["maximum"] = LARGEST
    return found
