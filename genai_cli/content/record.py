"""The record of a generation: one JSON object, the same in the file, in `--json` and in the manifest."""

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn, TypedDict, cast

from genai_cli import __version__
from genai_cli.types import JsonObject

# https://cv.iptc.org/newscodes/digitalsourcetype/
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED = f"{SOURCE_TYPES}trainedAlgorithmicMedia"
COMPOSITE = f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"


class ModelRecord(TypedDict):
    """Which model made a result."""

    id: str
    revision: str | None
    variant: str | None
    license: str | None


class ServerRecord(TypedDict):
    """Which server made a result, without any key, and the model that its answer named."""

    address: str
    model: str


class Record(TypedDict, total=False):
    """The record of one result. A medium adds its own facts: a text, labels, the reason for an end."""

    genai: str
    task: str
    prompt: str
    inputs: dict[str, JsonObject]
    adapters: dict[str, list[JsonObject]]
    model: ModelRecord
    server: ServerRecord
    parameters: JsonObject
    device: str
    dtype: str
    device_reason: str
    dtype_reason: str
    libraries: dict[str, str]
    created: str
    seconds: dict[str, float]
    content_sha256: str
    compiled: bool
    compiler: str
    id: str
    key: str
    file: str | None
    status: str
    error: str


@dataclass(frozen=True)
class Origin:
    """What all results of one loaded model share: the model, where it runs (device, dtype, reasons), time to load.

    `seconds` holds `load`, from the first look at the files on, and its parts `download` and `import`.
    """

    model: ModelRecord
    placement: Mapping[str, str]
    seconds: Mapping[str, float]
    libraries: tuple[str, ...]


def build_record(
    task: str,
    content: JsonObject,
    parameters: JsonObject,
    origin: Origin,
    generate_seconds: float,
    content_sha256: str,
    facts: JsonObject,
) -> Record:
    """The record of one result, created now; `content` is what it was made from, `facts` what else is known of it."""
    record = {
        "genai": __version__,
        "task": task,
        **content,
        "model": dict(origin.model),
        "parameters": dict(parameters),
        **origin.placement,
        "libraries": {name: find_version(name) for name in origin.libraries},
        "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "seconds": {name: round(value, 6) for name, value in {**origin.seconds, "generate": generate_seconds}.items()},
        "content_sha256": content_sha256,
        **facts,
    }
    return cast(Record, record)


@functools.cache
def find_version(name: str) -> str:
    """The version of an installed library; looking it up takes longer than a short text in a model."""
    from importlib.metadata import version

    return version(name)


def choose_mark(mark: str | None, record: Record) -> str | None:
    """How a result is marked whose task has this mark: what was made from someone's file is not all generated."""
    return COMPOSITE if mark == GENERATED and record.get("inputs") else mark


def without_prompt(record: Record) -> Record:
    """What `--no-metadata` leaves in the file: how and when it was generated, not from what and with what options."""
    left_out = ("prompt", "inputs", "adapters", "parameters", "content_sha256")
    return cast(Record, {name: value for name, value in record.items() if name not in left_out})


def to_json(record: Mapping[str, object], *, ascii_only: bool = False) -> str:
    """The record on one line."""
    return json.dumps(record, ensure_ascii=ascii_only, allow_nan=False)


def to_line(record: Mapping[str, object]) -> bytes:
    """The record as a line of a file. What UTF-8 cannot hold, such as a part of a file's name, becomes a `?`."""
    return f"{to_json(record)}\n".encode(errors="replace")


def from_json(text: str | bytes) -> object:
    """JSON from anywhere. Raises ValueError, also for what `to_json` refuses to write: NaN and infinity."""
    try:
        return json.loads(text, parse_constant=refuse_number, parse_float=finite)
    except RecursionError:
        raise ValueError("nested too deep") from None


def finite(text: str) -> float:
    """A number that JSON can hold."""
    number = float(text)
    return number if math.isfinite(number) else refuse_number(text)


def refuse_number(text: str) -> NoReturn:
    """Raise ValueError."""
    raise ValueError(f"{text[:20]} is not a number of JSON")
