"""A picture that guides another: `canny=FILE`, `depth=FILE`, `pose=FILE`, or `NAME_OR_FOLDER=FILE` for a prepared map.

`KIND:NAME_OR_FOLDER=FILE` computes the map for a ControlNet that is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from genai_cli.errors import InputError, nearest
from genai_cli.request.adapter import Adapter, find_file, name_option
from genai_cli.request.input import STDIN, Input
from genai_cli.types import JsonObject

CANNY, DEPTH, POSE = "canny", "depth", "pose"
KINDS = (CANNY, DEPTH, POSE)
"""What a map shows; genai knows a ControlNet for each, and computes edges and depth."""
FORM = "NAME=FILE: canny, depth, pose, or the name or folder of a ControlNet, and a picture"


@dataclass(frozen=True, kw_only=True)
class Control(Adapter):
    """A ControlNet, the picture that its map is made from, and how: a `kind`, or None for a map as it is."""

    words: ClassVar[str] = "a ControlNet"
    takes_folder: ClassVar[bool] = True

    kind: str | None = None
    base: str = ""
    """The model that it guides, as long as its kind alone names the ControlNet."""
    picture: Input | None = None

    @classmethod
    def find(cls, value: object, folder: Path, field_name: str) -> Self:
        """The ControlNet and the picture that a text names. Raises InputError."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str) or "=" not in value or "\0" in value:
            raise InputError(f"{name_option(field_name)} must be {FORM}, not {value!r}")
        named, file = split_at_picture(value, folder)
        picture = Input.find(file, folder, field_name)
        kind, colon, own = named.partition(":")
        if named in KINDS:
            return cls(wanted=named, name=named, kind=named, picture=picture)
        if colon and kind in KINDS and find_file(named, folder, True) is None:
            named, options = own, {"kind": kind}
        else:
            options = {}
        found = cls.locate(named, options, folder)
        if found.is_bare:
            hint = nearest(named, KINDS) or f"{', '.join(KINDS)}, OWNER/NAME of the hub, or a folder"
            raise InputError(f"there is no ControlNet {named!r}", hint=hint)
        return replace(found, picture=picture)

    def alone(self) -> Self:
        return replace(self, picture=None)

    def take(self, found: Adapter) -> Adapter:
        """What was found out about the ControlNet, with the picture of this one."""
        return replace(found, picture=self.picture) if isinstance(found, Control) else self

    def identity(self) -> JsonObject:
        """The weights and the kind of map; the picture is one of the request's inputs."""
        return {"sha256": self.sha256, **({"kind": self.kind} if self.kind else {})}

    @classmethod
    def write(cls, record: Mapping[str, object], place: str, files: Mapping[str, Path]) -> str:
        """The text that names it again. Raises InputError where the record does not say which picture guided."""
        file, kind = files.get(str(record.get("input"))), record.get("kind")
        if file is None:
            raise InputError("the record does not say which picture guided", hint=f"--control {FORM}")
        return f"{kind}:{place}={file}" if kind in KINDS else f"{place}={file}"


@dataclass(frozen=True, kw_only=True)
class DepthEstimator(Adapter):
    """What tells the depth of a picture, for ControlNets that take it."""

    words: ClassVar[str] = "a model that estimates depth"
    takes_folder: ClassVar[bool] = True


def split_at_picture(value: str, folder: Path) -> tuple[str, str]:
    """A text at the `=` behind which a file's name stands; a folder's name may hold one, too."""
    places = [place for place, letter in enumerate(value) if letter == "="]
    for place in places:
        file = value[place + 1 :]
        if file == STDIN or (file and (folder / Path(file).expanduser()).is_file()):
            return value[:place], file
    return value[: places[0]], value[places[0] + 1 :]
