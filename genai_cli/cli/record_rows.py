"""What genai's record says of how a file was made, as a row that makes it again."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from genai_cli.content.record import Record
from genai_cli.device.compilers import OPENVINO
from genai_cli.device.placement import DTYPES
from genai_cli.errors import InputError
from genai_cli.hub.reference import BUILT_IN
from genai_cli.modality.registry import list_requests
from genai_cli.request.adapter import Adapter
from genai_cli.request.input import Input
from genai_cli.request.made_in import MadeIn
from genai_cli.request.option import accepted_types, declared_options, field_types
from genai_cli.request.request import Request, list_adapters, list_inputs, list_parameters
from genai_cli.types import JsonObject

VARIANT = re.compile(r"\w{1,40}")
SHOWS = "genai show FILE shows what it says"


def check_record(record: Record | None, file: Path) -> Record:
    """The record of a file that genai can make again; anyone may have written it. Raises InputError."""
    if record is None:
        raise InputError(f"{file} was written by another tool", hint=SHOWS)
    request_class = list_requests().get(str(record.get("task")))
    if request_class is None:
        raise InputError(f"{file} holds a record of an unknown task {record.get('task')!r}")
    subject = request_class.subject
    if request_class.instead is not None and request_class.instead in (record.get("inputs") or ()):
        subject = request_class.instead
    is_file = subject in list_inputs(request_class)
    held = record.get("inputs") if is_file else record.get(subject)
    lacks_last = request_class.last is not None and not isinstance(record.get(request_class.last), str)
    if held is None or lacks_last or "parameters" not in record:
        raise InputError(f"{file} does not hold its {subject}: it was written with --no-metadata")
    model, parameters, files = record.get("model"), record["parameters"], record.get("inputs", {})
    is_whole = isinstance(model, dict) and isinstance(model.get("id"), str) and isinstance(parameters, dict)
    is_whole = is_whole and isinstance(files, dict) and all(isinstance(stated, dict) for stated in files.values())
    if not is_whole or (is_file and subject not in files):
        raise InputError(f"{file} holds a broken record")
    return record


def build_row(record: Record, changes: Mapping[str, object], file: Path, given_input: Path | None) -> JsonObject:
    """The request that a record describes, as a row: the model at its commit, the same options, the same seed.

    Files are taken by the name and the content that the record states, and parameters set nothing but options.
    """
    request_class = list_requests()[record["task"]]
    replaced, declared = find_replaced(changes, request_class, file), declared_options(request_class)
    kept = set(list_parameters(request_class)) - replaced
    names, adapters = list_inputs(request_class), record.get("adapters", {})
    guides = list_guides(adapters, changes)
    stated_files = {
        name: stated
        for name, stated in record.get("inputs", {}).items()
        if name in guides or (name in names and name not in changes)
    }
    files = find_files(stated_files, file, given_input)
    is_changed = any(name in changes for name in (*names, *guided_fields(adapters)))
    if is_changed or holds_others(files, stated_files):
        kept -= set(request_class.derived)
    row = {name: value for name, value in record["parameters"].items() if name in kept}
    for name, value in row.items():
        allowed = declared[name].option.allowed() if name in declared else ()
        if allowed and value not in allowed:
            row[name] = None  # the model's own, which has no short name
    model = record["model"]
    name, revision = model["id"], model.get("revision")
    if name != BUILT_IN and revision:
        name = f"{name}@{revision}"
    for subject in (request_class.subject, request_class.last):
        if subject is not None and subject not in names and subject in record:
            row[subject] = record[subject]  # type: ignore[literal-required]
    paths = {name: str(path) for name, path in files.items() if name in names}
    fields = set(list_adapters(request_class)) - set(changes)
    named = name_adapters(record, fields, file, changes.get("lora_dir"), files)
    return {"task": record["task"], "model": name, **row, **paths, **named, **changes}


def guided_fields(adapters: Mapping[str, Sequence[JsonObject]]) -> list[str]:
    """The fields of adapters that go with a picture."""
    return [name for name, several in adapters.items() if any("input" in stated for stated in several)]


def list_guides(adapters: Mapping[str, Sequence[JsonObject]], changes: Mapping[str, object]) -> set[str]:
    """The names of the inputs that go with adapters, those left out that are changed."""
    kept = [name for name in guided_fields(adapters) if name not in changes]
    return {str(stated.get("input")) for name in kept for stated in adapters[name]}


def find_files(stated_files: Mapping[str, JsonObject], file: Path, given: Path | None) -> dict[str, Path]:
    """The files that a result was made from, by their fields; a given one is taken as it is. Raises InputError."""
    meant = find_meant(given, stated_files, file) if given is not None else None
    return {
        field: given if given is not None and field == meant else find_input(stated, file)
        for field, stated in stated_files.items()
    }


def holds_others(files: Mapping[str, Path], stated_files: Mapping[str, JsonObject]) -> bool:
    """Whether a file has another content than the record states."""
    return any(Input.read(path, path.name).sha256 != stated_files[field].get("sha256") for field, path in files.items())


def find_made_in(record: Record, changes: Mapping[str, object]) -> MadeIn | None:
    """How a record says that its result was made; None where it does not, or another model is to make it."""
    model, device, dtype = record.get("model"), record.get("device"), record.get("dtype")
    variant = model.get("variant") if isinstance(model, dict) else None
    is_name = variant is None or (isinstance(variant, str) and VARIANT.fullmatch(variant))
    if "model" in changes or not (isinstance(device, str) and dtype in DTYPES[1:] and is_name):
        return None
    compiler = OPENVINO if (record.get("compiled"), record.get("compiler")) == (True, OPENVINO) else None
    return MadeIn(device, str(dtype), variant, compiler)


def name_adapters(
    record: Record, fields: set[str], file: Path, folder: object, files: Mapping[str, Path]
) -> JsonObject:
    """The files that changed the model, named so that they are found again. Raises InputError for one that is not."""
    types = {name: accepted_types(hint) for name, hint in field_types(list_requests()[record["task"]]).items()}
    found: JsonObject = {}
    for field, several in record.get("adapters", {}).items():
        if field not in fields or not all(isinstance(stated, dict) for stated in several):
            continue
        wanted, item, _ = types[field]
        kind: type[Adapter] = item if wanted is tuple else wanted
        option = find_long_name(field)
        texts = [kind.write(stated, find_adapter(stated, file, folder, option), files) for stated in several]
        found[field] = texts if wanted is tuple else texts[0]
    return found


def find_adapter(stated: JsonObject, file: Path, folder: object, option: str) -> str:
    """Where the file of an adapter is: at its commit on the hub, or here by name and content. Raises InputError."""
    name, revision, sha256 = str(stated.get("name")), stated.get("revision"), stated.get("sha256")
    if revision:
        return f"{name}@{revision}"
    base = Path(name).name
    inside = Path(*Path(name).parts[-2:])  # the weights in a folder that was named
    places = [file.parent / base, Path(base)]
    places += [file.parent / inside, inside] if ".." not in inside.parts and not inside.is_absolute() else []
    places += sorted(Path(str(folder)).expanduser().rglob(base)) if folder else []
    for path in places:
        if path.is_file() and Input.read(path, base).sha256 == sha256:
            return str(path.absolute())
    raise InputError(
        f"{file} was made with {base!r} (sha256 {sha256}), which is not beside it",
        hint=f"{option} FILE names it; --lora-dir FOLDER says where such files lie",
    )


def find_replaced(changes: Mapping[str, object], request_class: type[Request], file: Path) -> set[str]:
    """The fields that changes stand for beside their own. Raises InputError for one that means nothing to a task."""
    known = {field.name for field in fields(request_class)}
    for name in changes:
        if name not in known:
            raise InputError(f"{file}: genai {request_class.task} has no option {find_long_name(name)}")
    declared = declared_options(request_class)
    return {other for name in changes if name in declared for other in declared[name].option.sets}


def find_long_name(field: str) -> str:
    """The option of a field, whichever task has it."""
    return next(
        options[field].option.long for options in map(declared_options, list_requests().values()) if field in options
    )


def find_meant(given: Path, stated_files: Mapping[str, JsonObject], file: Path) -> str:
    """The field that a given file is for: the only one, or the one whose content it has. Raises InputError."""
    if len(stated_files) == 1:
        return next(iter(stated_files))
    if not stated_files:
        raise InputError(f"--input names one file, and {file} was made from none")
    sha256 = Input.read(given, given.name).sha256
    for field, stated in stated_files.items():
        if stated.get("sha256") == sha256:
            return field
    names = " and ".join(repr(stated.get("name")) for stated in stated_files.values())
    raise InputError(f"{file} was made from {names}, and {given} is neither of them")


def find_input(stated: JsonObject, file: Path) -> Path:
    """The file of an input's name and content beside the result, or in the current folder. Raises InputError."""
    name, sha256 = Path(str(stated.get("name"))).name, stated.get("sha256")
    for path in (file.parent / name, Path(name)):
        if name and path.is_file() and Input.read(path, name).sha256 == sha256:
            return path
    raise InputError(
        f"{file} was made from {name!r} (sha256 {sha256}), which is not beside it", hint="--input FILE names the file"
    )
