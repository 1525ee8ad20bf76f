"""File names from prompts: slugs, templates, and where `-o` points."""

import re
import string
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from genai_cli.errors import InputError

SLUG_BYTES = 60
TEMPLATE_FIELDS = ("slug", "seed", "index", "key", "id")
DEFAULT_TEMPLATE = "{slug}-{seed}"
SEEDED = "seeded"  # a field that no template names: 0 where the name of a file tells enough without its seed
# Names that Windows reserves for devices, with any suffix.
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.ASCII)


@dataclass(frozen=True)
class Destination:
    """Where results go: a template below a folder, or one file that may be overwritten."""

    folder: Path
    template: str
    suffix: str | None
    """The file type that the name gives. None: the caller chooses it."""
    overwrite: bool

    def make_path(self, fields: Mapping[str, str | int], suffix: str) -> Path:
        """The path for an item. In a default name, an id that its row gives replaces slug and seed."""
        template = self.template
        if template == DEFAULT_TEMPLATE:
            has_id = fields["id"] != fields["key"]
            template = "{id}" if has_id else template if fields.get(SEEDED, 1) else "{slug}"
        return self.folder / f"{fill_template(template, fields)}{suffix}"


def slugify(text: str, otherwise: str = "untitled") -> str:
    """A safe part of a file name: lower-case letters and digits of every script, at most 60 bytes of UTF-8.

    It is never empty and never starts with `-` or `.`; a text without letters and digits gives `otherwise`.
    """
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    words = re.sub(r"-+", "-", "".join(map(keep_letter, plain))).strip("-")
    words = words.lstrip("".join(mark for mark in words if unicodedata.category(mark).startswith("M")) + "-")
    if len(words.encode()) > SLUG_BYTES:
        cut = cut_bytes(words, SLUG_BYTES + 1)
        words = cut_bytes(cut.rpartition("-")[0] or cut, SLUG_BYTES).strip("-")
    return f"{words}-" if RESERVED.fullmatch(words) else words or otherwise


def keep_letter(character: str) -> str:
    """A letter, a mark on one, or a digit, as it is; nothing for a character that only formats; else `-`."""
    category = unicodedata.category(character)
    return character if category[0] in "LMN" else "" if category == "Cf" else "-"


def cut_bytes(text: str, most: int) -> str:
    """The beginning of a text in so many bytes of UTF-8; no character, and no mark from its letter, is cut off."""
    kept = text.encode()[:most].decode(errors="ignore")
    while len(kept) < len(text) and kept and unicodedata.category(text[len(kept)]).startswith("M"):
        kept = kept[:-1]
    return kept


def parse_destination(output: str | None, suffixes: tuple[str, ...], items: int) -> Destination:
    """Where `-o` points: a folder (exists or ends in /), a template, or a file.

    Raises InputError for a name that does not work: an unknown suffix or field, or one file for several items.
    """
    if output is None:
        return Destination(Path(), DEFAULT_TEMPLATE, None, overwrite=False)
    if not output or "\0" in output:
        raise InputError("the output name is empty" if not output else "the output name holds a NUL character")
    path = Path(output).expanduser()
    if output.endswith("/") or path.is_dir():
        return Destination(path, DEFAULT_TEMPLATE, None, overwrite=False)
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        what = f"cannot write {suffix} here" if suffix else f"{output!r} has no file type"
        raise InputError(what, hint=f"one of {', '.join(suffixes)}; or end the name with / for a folder")
    if "{" in output or "}" in output:
        return parse_template(path, suffix)
    if items > 1:
        raise InputError(
            f"{output} is one file and there are {items} results",
            hint="name a folder (out/), or a template such as {slug}-{seed}" + suffix,
        )
    return Destination(path.parent, path.name.removesuffix(path.suffix), suffix, overwrite=True)


def parse_template(path: Path, suffix: str) -> Destination:
    """Split a path into the folder before the first field and the template after it, which may name subfolders."""
    first = next(index for index, part in enumerate(path.parts) if "{" in part or "}" in part)
    template = "/".join(path.parts[first:])
    if ".." in path.parts[first:]:
        raise InputError(f"the template {template!r} leaves its folder", hint="write .. before the first field only")
    check_template(template)
    return Destination(Path(*path.parts[:first]), template.removesuffix(path.suffix), suffix, overwrite=False)


def check_template(template: str) -> None:
    """Raise InputError for anything but the fixed fields, with a width for numbers such as {index:04}."""
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise InputError(f"the template {template!r} is not well formed: {error}") from None
    for _, field, form, conversion in pieces:
        if field is None:
            continue
        numeric = field in ("seed", "index") and re.fullmatch(r"(0?[1-9]\d?)?d?", form or "")
        if field not in TEMPLATE_FIELDS or conversion or (form and not numeric):
            hint = (
                "fields: "
                + ", ".join(f"{{{name}}}" for name in TEMPLATE_FIELDS)
                + "; numbers may have a width: {index:04}"
            )
            raise InputError(f"the template {template!r} has an unknown field {{{field}}}", hint=hint)


def fill_template(template: str, fields: Mapping[str, str | int]) -> str:
    """The file name without its suffix. The text of a field can never leave the folder."""
    safe = {name: value if isinstance(value, int) else sanitize(value) for name, value in fields.items()}
    names = template.format_map(safe).split("/")
    return "/".join(f"_{name}" if name.startswith(("-", ".")) else name for name in names)


def sanitize(text: str) -> str:
    """A text as part of a file name: letters and digits of every script and `._-` stay, all others become `-`."""

    def is_kept(letter: str) -> bool:
        return letter in "._-" or unicodedata.category(letter)[0] in "LMN"

    parts = (
        "".join(letters) if kept else "-" for kept, letters in groupby(unicodedata.normalize("NFC", text), is_kept)
    )
    return cut_bytes("".join(parts), SLUG_BYTES).lstrip(".-") or "untitled"
