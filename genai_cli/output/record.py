"""The record of a generation: one JSON object, the same in the file, in `--json` and in the manifest."""

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, NoReturn

from genai_cli import __version__

Record = dict[str, Any]

# https://cv.iptc.org/newscodes/digitalsourcetype/
DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
LIBRARIES = {"image": ("torch", "diffusers"), "text": ("torch", "transformers")}


@dataclass(frozen=True)
class Origin:
    """What all results of one loaded model share: the model, where it runs (device, dtype, reasons), time to load.

    `seconds` holds `load`, from the first look at the files on, and its parts `download` and `import`.
    """

    model: Mapping[str, Any]
    placement: Mapping[str, str]
    seconds: Mapping[str, float]


def build_record(
    task: str, prompt: str, parameters: Mapping[str, Any], origin: Origin, generate_seconds: float, content_sha256: str
) -> Record:
    """The record of one result, created now."""
    return {
        "genai": __version__,
        "task": task,
        "prompt": prompt,
        "model": dict(origin.model),
        "parameters": dict(parameters),
        **origin.placement,
        "libraries": {name: library_version(name) for name in LIBRARIES.get(task, LIBRARIES["text"])},
        "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seconds": {name: round(value, 6) for name, value in {**origin.seconds, "generate": generate_seconds}.items()},
        "content_sha256": content_sha256,
    }


@functools.cache
def library_version(name: str) -> str:
    """The version of an installed library; looking it up takes longer than to classify a short text."""
    return version(name)


def without_prompt(record: Record) -> Record:
    """What `--no-metadata` leaves in the file: how and when it was generated, not from what words and options."""
    return {name: value for name, value in record.items() if name not in ("prompt", "parameters", "content_sha256")}


def to_json(record: Mapping[str, Any], *, ascii_only: bool = False) -> str:
    """The record on one line."""
    return json.dumps(record, ensure_ascii=ascii_only, separators=(", ", ": "), allow_nan=False)


def from_json(text: str | bytes) -> Any:
    """JSON from anywhere. Raises ValueError, also for what would not come out of `to_json` again: NaN and infinity."""
    try:
        return json.loads(text, parse_constant=refuse_number, parse_float=finite)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def finite(text: str) -> float:
    """A number that JSON can hold."""
    number = float(text)
    return number if math.isfinite(number) else refuse_number(text)


def refuse_number(text: str) -> NoReturn:
    """Raise ValueError."""
    raise ValueError(f"{text[:20]} is no number of JSON")
