"""genai rerun: a file made again from the record inside it, or compared with what that gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

from genai_cli.cli.command import Command, Given
from genai_cli.cli.options import RUN_OPTIONS
from genai_cli.errors import InputError
from genai_cli.modality.registry import list_requests
from genai_cli.request.input import Input
from genai_cli.request.option import Option, declared_options


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


PLACES = frozenset({"lora_dir"})
"""Options that say where files lie, and change nothing of the request."""


def rerun_files(given: Given) -> int:
    """Make each file again from its record, with the changes given; with --verify, compare and keep nothing."""
    from genai_cli.cli.foreign_rows import build_foreign_row
    from genai_cli.cli.record_rows import build_row, check_record, find_made_in
    from genai_cli.cli.run import RunOptions, run_rows
    from genai_cli.cli.verify import Copy, verify_copies
    from genai_cli.content.record import Record
    from genai_cli.request.made_in import MadeIn
    from genai_cli.request.rows import Row
    from genai_cli.store.provenance import find_provenance
    from genai_cli.work.orders import Defaults

    options, own = RunOptions.read(given), given.read(RerunOptions)
    changes = {
        name: show_path(given.values[name])
        for name in given.named
        if any(name in declared_options(owner) for owner in list_requests().values())
    }
    number = options.output.num if "num" in given.named else 1
    if own.verify and (set(changes) - PLACES or number > 1):
        raise InputError("--verify compares the same request: leave the other options out")
    if own.input is not None and len(given.arguments) > 1:
        raise InputError("--input is for one result at a time")
    copies: dict[tuple[str, MadeIn | None], list[Copy]] = {}
    for name in given.arguments:
        found = find_provenance(Path(name))
        if found.record is None and own.input is not None:
            raise InputError(f"--input names one file, and {name} was made from none")
        if found.record is None and not own.verify:
            record, row = cast(Record, {}), build_foreign_row(found.foreign, changes, Path(name), options)
        else:
            record = check_record(found.record, Path(name))
            row = build_row(record, changes, Path(name), own.input)
        made_in = find_made_in(record, changes)
        copy = Copy(Path(name), record, Row(row, name, made_in=made_in))
        copies.setdefault((repr(row), made_in), []).append(copy)
    if own.verify:
        return verify_copies(list(copies.values()), options)
    rows = [several[0].row for several in copies.values()]  # equal requests of one run would get different seeds
    return run_rows(rows, Defaults(list_requests(), {}, number), options)


def show_path(value: object) -> object:
    """A value as a row holds it: of a file the path."""
    return str(value.path) if isinstance(value, Input) else value


def make_command() -> Command:
    """The command, with the options of all tasks: those count as changes, and come from the command line alone."""
    classes = cast("list[type]", list(list_requests().values()))
    return Command(
        "rerun",
        "Make files again from the records inside them; options given here override theirs.\n\n"
        "genai rerun cat-7.png --steps 50\n\n"
        "Pictures of other tools are made from the prompt and parameters in them: name a model.\n\n"
        "genai rerun theirs.png -m sd15",
        rerun_files,
        (RerunOptions, *classes, *RUN_OPTIONS),
        "FILE",
        "Files that genai wrote, and pictures of other tools.",
        required=True,
        plain=frozenset(classes),
    )
