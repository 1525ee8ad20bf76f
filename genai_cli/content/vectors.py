"""Vectors of texts and pictures: as lines of JSON, as NPY, and the nearest of many.

NPY: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import base64
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NotRequired, Self, TypedDict, cast

from genai_cli.content.content import Content, Gathered
from genai_cli.content.record import Record, to_json
from genai_cli.errors import InputError, ResultError
from genai_cli.events import Emit
from genai_cli.harmless import one_line
from genai_cli.request.input import Input
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EMBEDDING, NEAREST, SUBJECT = "embedding", "nearest", "prompt"
SOURCES = ("prompt", "inputs", "id", "key")  # what a search keeps of a row's record
FLOAT, BASE64 = "float", "base64"
ROWS = ".jsonl"  # what the name of the file has more that says what each row of an NPY file is
MAX_BYTES = 4 * 2**30
MAX_WIDTH = 1_000_000


class Neighbour(TypedDict):
    """A row that is near: its place from 0 on, how near it is (the cosine), and what it was made from."""

    row: int
    score: float
    prompt: NotRequired[str]
    inputs: NotRequired[JsonObject]
    id: NotRequired[str]


@dataclass(frozen=True)
class Vector(Content):
    """A vector, of shape (width,) in float32; or, where it was the query of a search, the rows that are near it."""

    suffixes: ClassVar[tuple[str, ...]] = (".npy",)
    exact: ClassVar[frozenset[str]] = frozenset()
    printed: ClassVar[bool] = True
    written: ClassVar[bool] = False
    record_beside: ClassVar[bool] = True
    wholes: ClassVar[tuple[str, ...]] = (".npy",)

    values: "NDArray[np.float32]"
    encoding: str = FLOAT
    tokens: int | None = None
    nearest: tuple[Neighbour, ...] | None = None

    def check(self) -> None:
        """Raise ResultError for a vector that is near to nothing."""
        import numpy

        if not numpy.isfinite(self.values).all():
            raise ResultError("the vector is not finite (NaN)", hint="try --dtype float32, or another text")
        if not self.values.any():
            raise ResultError("the vector is zero: the model says nothing of this", hint="try another model")

    def sha256(self) -> str:
        """Of the values as little-endian float32."""
        import hashlib

        return hashlib.sha256(to_bytes(self.values)).hexdigest()

    def encode(self, record: Record, suffix: str, mark: str | None) -> bytes:
        """The vector as an NPY file of shape (width,)."""
        del record, suffix, mark
        return make_header((len(self.values),)) + to_bytes(self.values)

    def facts(self) -> JsonObject:
        """The vector itself, as numbers or in base64; of a query, what is near it in its place."""
        counted = {} if self.tokens is None else {"tokens": {"prompt": self.tokens, "completion": 0}}
        if self.nearest is not None:
            return {NEAREST: list(self.nearest), **counted}
        return {EMBEDDING: write_values(self.values, self.encoding), "dimensions": len(self.values), **counted}

    @classmethod
    def read(cls, source: Input, emit: Emit) -> Self:
        """The vector in an NPY file. Raises InputError."""
        del emit
        values = read_array(source)
        if values.ndim != 1:
            raise InputError(f"{source.name} holds several vectors, and not one")
        return cls(values)

    @classmethod
    def keeps(cls, source: Input) -> bool:
        """NPY keeps every bit; its first bytes tell no media type."""
        del source
        return True

    @classmethod
    def gather(cls, suffix: str, records: Callable[[], Iterator[JsonObject]], count: int) -> Gathered:
        """An NPY file of shape (count, width), and a line for each row beside it: its record without the vector.

        A row that failed is NaN. Memory does not grow with the rows.
        """
        del suffix
        first = next((record for record in records() if EMBEDDING in record), None)
        if first is None:
            raise InputError("an NPY file holds vectors, and a search finds rows", hint="-o found.jsonl holds them")
        width = len(read_values(first[EMBEDDING]))
        return Gathered(list_pieces(records(), count, width), map(describe_row, records()), ROWS)

    @classmethod
    def lines(cls, record: Mapping[str, object], title: str | None) -> Iterator[str]:
        """A line of JSON for a vector; a line for each near row: SCORE and TEXT, and of several queries which one."""
        if NEAREST not in record:
            yield to_json({**name_source(record), EMBEDDING: record[EMBEDDING]})
            return
        end = "" if title is None else f"\t{one_line(title)}"
        for near in list_nearest(record):
            yield f"{near['score']:.4f}\t{one_line(name_neighbour(near))}{end}"

    @classmethod
    def count_cells(cls, record: Mapping[str, object]) -> int:
        """One for a vector; of a search, one more than it found."""
        return 1 + len(list_nearest(record))

    @classmethod
    def columns(cls, count: int) -> list[str]:
        """embedding; or nearest, score, nearest_2, score_2 and so on."""
        if count == 1:
            return [EMBEDDING]
        numbers = ["", *(f"_{number}" for number in range(2, count))]
        return [f"{name}{number}" for number in numbers for name in (NEAREST, "score")]

    @classmethod
    def cells(cls, record: Mapping[str, object], count: int) -> list[object]:
        if count == 1:
            return [record.get(EMBEDDING)]
        pairs: list[tuple[object, object]] = [(name_neighbour(near), near["score"]) for near in list_nearest(record)]
        return [value for pair in (pairs + [(None, None)] * count)[: count - 1] for value in pair]


def list_nearest(record: Mapping[str, object]) -> list[Neighbour]:
    """The near rows in a record; none in that of a vector."""
    return cast(list[Neighbour], record.get(NEAREST, []))


def name_neighbour(near: Neighbour) -> str:
    """A near row by its text, or by the name of its picture; by its place where nothing is known of it."""
    named = name_source(near)
    return str(next(iter(named.values()), f"row {near['row']}"))


def name_source(record: Mapping[str, object]) -> JsonObject:
    """What a vector was made from: the text, or the names of files."""
    if record.get(SUBJECT):
        return {SUBJECT: record[SUBJECT]}
    inputs = record.get("inputs")
    files = inputs if isinstance(inputs, dict) else {}
    return {name: file.get("name") for name, file in files.items() if isinstance(file, dict)}


def describe_row(record: JsonObject) -> bytes:
    """The line of an NPY file's row: its record without the vector."""
    left = {name: value for name, value in record.items() if name not in (EMBEDDING, "libraries", "seconds")}
    return f"{to_json(left)}\n".encode(errors="replace")


def list_pieces(records: Iterator[JsonObject], count: int, width: int) -> Iterator[bytes]:
    """An NPY file of shape (count, width) in pieces."""
    yield make_header((count, width))
    for record in records:
        stated = record.get(EMBEDDING)
        values = make_nothing(width) if stated is None else read_values(stated)
        if len(values) != width:
            what = f"vectors of {width} and of {len(values)} numbers do not stand in one array"
            raise InputError(what, hint="-o vectors.jsonl takes both")
        yield to_bytes(values)


def make_nothing(width: int) -> "NDArray[np.float32]":
    """The row of what failed."""
    import numpy

    return numpy.full(width, math.nan, dtype=numpy.float32)


def make_header(shape: tuple[int, ...]) -> bytes:
    """The head of an NPY file of little-endian float32."""
    from numpy.lib import format as npy

    head = io.BytesIO()
    npy.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return head.getvalue()


def to_bytes(values: "NDArray[np.float32]") -> bytes:
    """Values as little-endian float32."""
    return values.astype("<f4").tobytes()


def write_values(values: "NDArray[np.float32]", encoding: str) -> list[float] | str:
    """A vector as JSON holds it: numbers with as many digits as float32 needs, or base64 of little-endian float32."""
    if encoding == BASE64:
        return base64.b64encode(to_bytes(values)).decode()
    return [float(str(value)) for value in values]


def read_values(stated: object) -> "NDArray[np.float32]":
    """A vector from JSON. Raises InputError for anything else."""
    import numpy

    try:
        if isinstance(stated, str):
            return numpy.frombuffer(base64.b64decode(stated, validate=True), dtype="<f4").astype(numpy.float32)
        values = numpy.asarray(stated, dtype=numpy.float32)
    except (ValueError, TypeError):
        raise InputError("an embedding must be a list of numbers, or float32 in base64") from None
    if values.ndim != 1 or not 0 < len(values) <= MAX_WIDTH:
        raise InputError("an embedding must be a list of numbers")
    return values


def read_array(source: Input) -> "NDArray[np.float32]":
    """The array in an NPY file, as float32. Raises InputError for what is none; nothing pickled is read."""
    import numpy

    if source.size > MAX_BYTES:
        raise InputError(f"{source.name} cannot be read: it is over {MAX_BYTES >> 30} GiB")
    with source.open() as stream:
        try:
            values = numpy.load(stream, allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise InputError(f"{source.name} cannot be read: {error}") from None
    if not isinstance(values, numpy.ndarray) or values.dtype.kind not in "fiu" or values.size == 0:
        raise InputError(f"{source.name} holds no array of numbers")
    return values.astype(numpy.float32)


@dataclass(frozen=True)
class Collection:
    """Vectors to search: an array of shape (rows, width), each of length 1, and what each row was made from."""

    directions: "NDArray[np.float32]"
    rows: tuple[JsonObject, ...]

    @classmethod
    def build(cls, values: "NDArray[np.float32]", rows: tuple[JsonObject, ...]) -> Self:
        """The collection of vectors as they are. A row of zeros or NaN is near to nothing."""
        import numpy

        lengths = numpy.linalg.norm(values, axis=1, keepdims=True)
        with numpy.errstate(invalid="ignore", divide="ignore"):
            directions = values / lengths
        return cls(numpy.where(numpy.isfinite(directions), directions, numpy.float32(-math.inf)), rows)

    @classmethod
    def read(cls, source: Input, beside: Input | None) -> Self:
        """The vectors in an NPY file, with the lines beside it, or in JSON lines. Raises InputError."""
        with source.open() as stream:
            is_array = stream.read(6) == b"\x93NUMPY"
        if not is_array:
            return cls.read_lines(source)
        values = read_array(source)
        values = values[None] if values.ndim == 1 else values
        if values.ndim != 2:
            raise InputError(f"{source.name} must hold an array of rows, not of {values.ndim} dimensions")
        rows = tuple(row for row, _ in list_lines(beside)) if beside is not None else ()
        if rows and len(rows) != len(values):
            named = beside.name if beside is not None else ""
            what = f"{source.name} has {len(values)} rows and {named} has {len(rows)}"
            raise InputError(what, hint=f"remove {named}, or make both again")
        return cls.build(values, rows)

    @classmethod
    def read_lines(cls, source: Input) -> Self:
        """The vectors in lines of JSON, each with its `embedding`; lines without one are left out."""
        import numpy

        found: list[NDArray[np.float32]] = []
        rows: list[JsonObject] = []
        for row, place in list_lines(source):
            if EMBEDDING in row:
                values = read_values(row.pop(EMBEDDING))
                if found and len(values) != len(found[0]):
                    what = f"{source.name}:{place}: a vector of {len(values)} numbers, and the first has"
                    raise InputError(f"{what} {len(found[0])}")
                found.append(values)
                rows.append({name: value for name, value in row.items() if name in SOURCES})
        if not found:
            raise InputError(f"{source.name} holds no vectors", hint="genai embed ... -o vectors.npy writes some")
        return cls.build(numpy.stack(found), tuple(rows))

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        return int(self.directions.shape[1])

    def find_nearest(self, vector: "NDArray[np.float32]", count: int) -> tuple[Neighbour, ...]:
        """The rows whose directions are nearest to that of a vector, the nearest first; of equals the earlier one."""
        import numpy

        length = numpy.linalg.norm(vector)
        scores = self.directions @ (vector / length)
        scores[~numpy.isfinite(scores)] = -math.inf
        order = numpy.argsort(-scores, kind="stable")[:count]
        return tuple(self.describe(int(row), float(scores[row])) for row in order if scores[row] > -math.inf)

    def describe(self, row: int, score: float) -> Neighbour:
        """A near row."""
        stated = self.rows[row] if self.rows else {}
        named: JsonObject = {name: stated[name] for name in ("prompt", "inputs") if stated.get(name)}
        if stated.get("id") not in (None, stated.get("key")):
            named["id"] = stated["id"]
        return cast(Neighbour, {"row": row, "score": round(min(1.0, max(-1.0, score)), 6), **named})


def list_lines(source: Input) -> Iterator[tuple[JsonObject, int]]:
    """The objects in lines of JSON, each with the number of its line. Raises InputError."""
    with source.open() as stream:
        for place, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                hint = "an .npy file, or lines of JSON with an embedding each"
                raise InputError(f"{source.name}:{place}: not JSON", hint=hint) from None
            if not isinstance(value, dict):
                raise InputError(f"{source.name}:{place}: not a JSON object")
            yield value, place
