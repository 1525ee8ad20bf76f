"""genai rerun: a file made again from the record inside it, or compared with what that gives."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, cast

from genai_cli.cli.command import Command, Given
from genai_cli.cli.options import RUN_OPTIONS
from genai_cli.cli.run import RunOptions, run_rows
from genai_cli.cli.verify import Copy, verify_copies
from genai_cli.content.foreign import Foreign
from genai_cli.content.record import Record, to_json
from genai_cli.errors import InputError
from genai_cli.events import Notice
from genai_cli.hub.reference import BUILT_IN
from genai_cli.modality.registry import list_modalities, list_requests
from genai_cli.request.input import Input
from genai_cli.request.option import Option, declared_options
from genai_cli.request.request import PROMPT, Request, list_inputs, list_parameters
from genai_cli.request.rows import Row
from genai_cli.store.provenance import find_provenance
from genai_cli.types import JsonObject
from genai_cli.work.orders import Defaults

SHOWS = "genai show FILE shows what it says"


@dataclass(frozen=True, kw_only=True)
class RerunOptions:
    """What is done with the files beside making them again."""

    verify: Annotated[bool, Option("--verify", help="Compare with the file; keep nothing.")] = False
    input: Annotated[
        Path | None,
        Option(
            "--input", metavar="FILE", help="The file that the result was made from, where it is not beside the result."
        ),
    ] = None


def rerun_files(given: Given) -> int:
    """Make each file again from its record, with the changes given; with --verify, compare and keep nothing."""
    options, own = RunOptions.read(given), given.read(RerunOptions)
    changes = {
        name: given.values[name]
        for name in given.named
        if any(name in declared_options(owner) for owner in list_classes())
    }
    number = options.output.num if "num" in given.named else 1
    if own.verify and (changes or number > 1):
        raise InputError("--verify compares the same request: leave the other options out")
    if own.input is not None and len(given.arguments) > 1:
        raise InputError("--input is for one result at a time")
    copies: dict[str, list[Copy]] = {}
    for name in given.arguments:
        found = find_provenance(Path(name))
        if found.record is None and own.input is not None:
            raise InputError(f"--input names one file, and {name} was made from none")
        if found.record is None and not own.verify:
            record, row = cast(Record, {}), build_foreign_row(found.foreign, changes, Path(name), options)
        else:
            record = check_record(found.record, Path(name))
            row = build_row(record, changes, Path(name), own.input)
        copies.setdefault(to_json(row), []).append(Copy(Path(name), record, Row(row, name)))
    if own.verify:
        return verify_copies(list(copies.values()), options)
    rows = [several[0].row for several in copies.values()]  # equal requests of one run would get different seeds
    return run_rows(rows, Defaults(list_requests(), {}, number), options)


def list_classes() -> list[type[Request]]:
    """The request classes of all tasks."""
    return list(list_requests().values())


def check_record(record: Record | None, file: Path) -> Record:
    """The record of a file that genai can make again; anyone may have written it. Raises InputError."""
    if record is None:
        raise InputError(f"{file} was written by another tool", hint=SHOWS)
    request_class = list_requests().get(str(record.get("task")))
    if request_class is None:
        raise InputError(f"{file} holds a record of an unknown task {record.get('task')!r}")
    is_file = request_class.subject in list_inputs(request_class)
    held = record.get("inputs") if is_file else record.get(request_class.subject)
    if held is None or "parameters" not in record:
        raise InputError(f"{file} does not hold its {request_class.subject}: it was written with --no-metadata")
    model, parameters, files = record.get("model"), record["parameters"], record.get("inputs", {})
    is_whole = isinstance(model, dict) and isinstance(model.get("id"), str) and isinstance(parameters, dict)
    is_whole = is_whole and isinstance(files, dict) and all(isinstance(stated, dict) for stated in files.values())
    if not is_whole or (is_file and request_class.subject not in files):
        raise InputError(f"{file} holds a broken record")
    return record


def build_row(record: Record, changes: Mapping[str, object], file: Path, given_input: Path | None) -> JsonObject:
    """The request that a record describes, as a row: the model at its commit, the same options, the same seed.

    Files are taken by the name and the content that the record states, and parameters set nothing but options.
    """
    request_class = list_requests()[record["task"]]
    check_changes(changes, request_class, file)
    declared = declared_options(request_class)
    replaced = {other for name in changes for other in declared[name].option.sets}
    kept = set(list_parameters(request_class)) - replaced
    row = {name: value for name, value in record["parameters"].items() if name in kept}
    for name, value in row.items():
        allowed = declared[name].option.allowed() if name in declared else ()
        if allowed and value not in allowed:
            row[name] = None  # the model's own, which has no short name
    model = record["model"]
    name, revision = model["id"], model.get("revision")
    if name != BUILT_IN and revision:
        name = f"{name}@{revision}"
    names = list_inputs(request_class)
    if request_class.subject not in names:
        row[request_class.subject] = record[request_class.subject]  # type: ignore[literal-required]
    stated_files = {name: stated for name, stated in record.get("inputs", {}).items() if name in names}
    if given_input is not None and len(stated_files) != 1:
        raise InputError(f"--input names one file, and {file} was made from {len(stated_files) or 'none'}")
    for field, stated in stated_files.items():
        row[field] = str(given_input or find_input(stated, file))
    return {"task": record["task"], "model": name, **row, **changes}


def check_changes(changes: Mapping[str, object], request_class: type[Request], file: Path) -> None:
    """Raise InputError for a change that means nothing to a task."""
    known = {field.name for field in fields(request_class)}
    for name in changes:
        if name not in known:
            raise InputError(f"{file}: genai {request_class.task} has no option {find_long_name(name)}")


def build_foreign_row(
    foreign: Foreign | None, changes: Mapping[str, object], file: Path, options: RunOptions
) -> JsonObject:
    """The request that another tool's picture states, as a row, with the model that the user names.

    Raises InputError if no model is named, or no prompt can be told.
    """
    if foreign is None or PROMPT not in foreign.request:
        raise InputError(f"{file} was written by another tool, and its prompt is not known", hint=SHOWS)
    tool = f" ({foreign.tool})" if foreign.tool else ""
    if "model" not in changes:
        names = f"; it names the model {foreign.model}" if foreign.model else ""
        raise InputError(
            f"{file} was written by another tool{tool}, and genai does not know its model",
            hint=f"-m MODEL makes it with the prompt and the parameters that the file states{names}",
        )
    request_class = find_picture_request()
    check_changes(changes, request_class, file)
    declared = declared_options(request_class)
    replaced = {other for name in changes for other in declared[name].option.sets}
    row = {name: value for name, value in foreign.request.items() if name == PROMPT or name in declared}
    row = {name: value for name, value in row.items() if name not in replaced}
    if not replaced & {"scheduler"} and "scheduler" not in changes:
        say_sampler(foreign, options)
    return {"task": request_class.task, **row, **changes}


def find_picture_request() -> type[Request]:
    """The request of the task that makes pictures from words alone. Raises InputError if no task does."""
    for modality in list_modalities():
        request = modality.request
        if ".png" in modality.content.suffixes and request.subject == PROMPT and not list_inputs(request):
            return request
    raise InputError("no task makes pictures from words")


def say_sampler(foreign: Foreign, options: RunOptions) -> None:
    """Say which scheduler stands for a sampler that genai does not have."""
    name, scheduler = foreign.sampler, foreign.request.get("scheduler")
    if name is None or (scheduler is not None and foreign.exact):
        return
    words = f"{scheduler} is used" if scheduler else "the model's own scheduler is used"
    options.make_console(1).emit(Notice(f"genai has no sampler like {name!r}; {words}"))


def find_long_name(field: str) -> str:
    """The option of a field, whichever task has it."""
    return next(options[field].option.long for options in map(declared_options, list_classes()) if field in options)


def find_input(stated: JsonObject, file: Path) -> Path:
    """The file of an input's name and content beside the result, or in the current folder. Raises InputError."""
    name, sha256 = Path(str(stated.get("name"))).name, stated.get("sha256")
    for path in (file.parent / name, Path(name)):
        if name and path.is_file() and Input.read(path, name).sha256 == sha256:
            return path
    raise InputError(
        f"{file} was made from {name!r} (sha256 {sha256}), which is not beside it", hint="--input FILE names the file"
    )


def make_command() -> Command:
    """The command, with the options of all tasks: those count as changes, and come from the command line alone."""
    return Command(
        "rerun",
        "Make files again from the records inside them; options given here override theirs.\n\n"
        "genai rerun cat-7.png --steps 50\n\n"
        "Pictures of other tools are made from the prompt and parameters in them: name a model.\n\n"
        "genai rerun theirs.png -m sd15",
        rerun_files,
        (RerunOptions, *list_classes(), *RUN_OPTIONS),
        "FILE",
        "Files that genai wrote, and pictures of other tools.",
        required=True,
        plain=frozenset(cast("list[type]", list_classes())),
    )
