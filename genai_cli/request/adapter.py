"""A file that changes a model: a LoRA, the vectors of a word, a VAE. What it is, is the SHA-256 of its weights.

It is named by a path, or as `owner/name[:file][@revision]` on the hub. The room `hub` fetches and checks it.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import ClassVar, Self

from genai_cli.errors import InputError
from genai_cli.request.input import Input
from genai_cli.types import JsonObject

SUFFIX = ".safetensors"
HUB_FILE = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(:[\w./ -]+)?(@[\w][\w./-]*)?")
LARGEST_WEIGHT = 100.0


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """A file that changes a model. Two are equal if what they hold, and how it is used, is; names do not count."""

    words: ClassVar[str] = "an adapter"
    takes_folder: ClassVar[bool] = False

    sha256: str = ""
    """Of the file; "" as long as it is not known, since the file is on the hub."""
    wanted: str = ""
    """What is to be looked up, as long as `sha256` is not known: `owner/name[:file][@revision]`, or a bare name."""
    name: str = field(default="", compare=False)
    revision: str | None = field(default=None, compare=False)
    """The commit of a file from the hub."""
    path: Path | None = field(default=None, compare=False, repr=False)
    autov3: str | None = field(default=None, compare=False)
    """The beginning of the SHA-256 of its tensors alone, by which other tools know a LoRA."""

    @classmethod
    def find(cls, value: object, folder: Path, field_name: str) -> Self:
        """The adapter that a text names, relative to `folder`. Raises InputError."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise InputError(f"{name_option(field_name)} must be the path of a file or owner/name, not {value!r}")
        named, options = cls.split(value, folder)
        return cls.locate(named, options, folder)

    @classmethod
    def split(cls, value: str, folder: Path) -> tuple[str, JsonObject]:
        """The file that a text names, and how it is used. Raises InputError."""
        del folder
        return value, {}

    @classmethod
    def locate(cls, named: str, options: JsonObject, folder: Path) -> Self:
        """The adapter by its path or its name. Raises InputError if a path leads to no file."""
        path = find_file(named, folder, cls.takes_folder)
        if path is not None:
            source = Input.read(path, path.name)
            is_inside = (folder / Path(named).expanduser()).is_dir()
            # Those in folders are all called alike.
            name = f"{source.path.parent.name}/{path.name}" if is_inside else path.name
            return cls(sha256=source.sha256, name=name, path=source.path, **options)
        is_file = ":" not in named and named.lower().endswith(SUFFIX)
        if HUB_FILE.fullmatch(named) and ".." not in named and not is_file:
            return cls(wanted=named, name=named.partition("@")[0], **options)
        if "/" in named or named.lower().endswith(SUFFIX):
            raise InputError(f"there is no file {named!r}", hint=f"{cls.words} is a .safetensors file, or owner/name")
        return cls(wanted=named, name=named, **options)

    @property
    def is_bare(self) -> bool:
        """Whether it is named by a word that is neither a path nor a name on the hub."""
        return bool(self.wanted) and "/" not in self.wanted

    def alone(self) -> Self:
        """What is to be found out about: the same for all requests that use the file."""
        return self

    def take(self, found: "Adapter") -> "Adapter":
        """What was found out about the file, as this request uses it."""
        del self
        return found

    def identity(self) -> JsonObject:
        """What a job's key knows it by."""
        own = {item.name: getattr(self, item.name) for item in fields(self) if item.compare and item.name != "wanted"}
        return {name: value for name, value in own.items() if value is not None}

    def record(self) -> JsonObject:
        """What a record holds of it: never a path."""
        known = {"revision": self.revision, "autov3": self.autov3}
        return {"name": self.name, **{name: value for name, value in known.items() if value}, **self.identity()}

    @classmethod
    def write(cls, record: Mapping[str, object], place: str, files: Mapping[str, Path]) -> str:
        """The text that names the adapter of a record again, at a place; `files` are the record's inputs by name."""
        del record, files
        return place


@dataclass(frozen=True, kw_only=True)
class Lora(Adapter):
    """Weights that are added to those of a model, times `weight`."""

    words: ClassVar[str] = "a LoRA"

    weight: float = 1.0
    tags: tuple[str, ...] | None = field(default=None, compare=False)
    """The tags and base models of its card; None as long as nobody looked."""

    @classmethod
    def split(cls, value: str, folder: Path) -> tuple[str, JsonObject]:
        """`FILE=0.8`; a file whose own name holds a `=` is found first."""
        named, sign, text = value.rpartition("=")
        if not sign or find_file(value, folder, False) is not None:
            return value, {}
        return named, {"weight": read_weight(text, value)}

    @classmethod
    def write(cls, record: Mapping[str, object], place: str, files: Mapping[str, Path]) -> str:
        del files
        return f"{place}={record.get('weight', 1.0)}"


@dataclass(frozen=True, kw_only=True)
class Embedding(Adapter):
    """The vectors of a word (textual inversion); `token` is the word, or None if the file's own is meant."""

    words: ClassVar[str] = "an embedding"

    token: str | None = None

    @classmethod
    def split(cls, value: str, folder: Path) -> tuple[str, JsonObject]:
        """`FILE=<word>`; a file whose own name holds a `=` is found first."""
        named, sign, token = value.rpartition("=")
        if not sign or find_file(value, folder, False) is not None:
            return value, {}
        if not token or any(character.isspace() for character in token):
            raise InputError(f"{token!r} is not a word for an embedding", hint="--embedding FILE=<word>")
        return named, {"token": token}

    @classmethod
    def write(cls, record: Mapping[str, object], place: str, files: Mapping[str, Path]) -> str:
        del files
        return f"{place}={record['token']}" if record.get("token") else place


@dataclass(frozen=True, kw_only=True)
class Vae(Adapter):
    """What turns latents into a picture, in place of the model's own."""

    words: ClassVar[str] = "a VAE"
    takes_folder: ClassVar[bool] = True


def find_file(named: str, folder: Path, takes_folder: bool) -> Path | None:
    """The file that a name means: itself, with the suffix of weights, or of a folder that may be named its weights."""
    path = folder / Path(named).expanduser()
    for candidate in (path, path.with_name(f"{path.name}{SUFFIX}") if path.name else path):
        if candidate.is_file():
            return candidate
    if takes_folder and path.is_dir():
        for name in ("diffusion_pytorch_model", "diffusion_pytorch_model.fp16", "model"):
            if (path / f"{name}{SUFFIX}").is_file():
                return path / f"{name}{SUFFIX}"
        raise InputError(f"{path} holds no diffusion_pytorch_model{SUFFIX}")
    return None


def read_weight(text: str, value: str) -> float:
    """How strongly a LoRA works. Raises InputError."""
    try:
        weight = float(text)
    except ValueError:
        raise InputError(f"{text!r} is not a weight", hint=f"FILE=0.8, not {value}") from None
    if not math.isfinite(weight) or abs(weight) > LARGEST_WEIGHT:
        raise InputError(f"the weight of a LoRA must be -{LARGEST_WEIGHT:g} to {LARGEST_WEIGHT:g}, not {text}")
    return weight


def name_option(field_name: str) -> str:
    """A field as a user wrote it: an option, or a field of a row."""
    return field_name if field_name.startswith("-") else f"field {field_name!r}"
