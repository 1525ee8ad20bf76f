"""genai show: what a file says about how it was made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from genai_cli.cli.command import Command, Given
from genai_cli.cli.options import MessageOptions, NetworkOptions
from genai_cli.cli.screen.viewer import Viewer, ViewOptions
from genai_cli.content.record import to_json
from genai_cli.errors import GenaiError, InputError
from genai_cli.harmless import one_line
from genai_cli.request.option import Option
from genai_cli.work.report import Report

if TYPE_CHECKING:
    from genai_cli.store.provenance import Provenance


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """What of a file is shown."""

    lineage: Annotated[
        bool, Option("--lineage", help="Show what each file was made from, and what was made from it.")
    ] = False


def show_lineage(files: list[Path], options: MessageOptions) -> int:
    """Print the tree of each file, as the records in its folder tell."""
    from genai_cli.cli.lineage import find_lineage

    console, report = options.open_console(), Report(len(files))
    for number, file in enumerate(files):
        try:
            check_file(file)
            lineage = find_lineage(file)
        except GenaiError as error:
            console.fail(error)
            report.take(error)
            continue
        report.take(None)
        if options.json:
            console.line(to_json(lineage.as_json()))
            continue
        for line in ("", *lineage.lines()) if number else lineage.lines():
            console.line(line)
    return report.exit_code()


def check_file(file: Path) -> None:
    """Raise InputError where there is no such file."""
    if not file.is_file():
        raise InputError(f"there is no file {file}")


def show_records(given: Given) -> int:
    """Print what each file says; one without a record is an error, and the others are shown all the same."""
    if given.read(ShowOptions).lineage:
        return show_lineage([Path(name) for name in given.arguments], given.read(MessageOptions))
    from genai_cli.content.signing import read_signature
    from genai_cli.store.provenance import find_provenance

    options, files = given.read(MessageOptions), [Path(name) for name in given.arguments]
    console = options.open_console()
    report = Report(len(files))
    viewer = None if options.json else Viewer.choose(given.read(ViewOptions), console, len(files), is_batch=False)
    for number, file in enumerate(files):
        try:
            found = find_provenance(file)
        except GenaiError as error:
            console.fail(error)
            report.take(error)
            continue
        report.take(None)
        signature = read_signature(file)
        if options.json:
            console.line(to_json({**as_json(found), **({"signature": signature} if signature else {})}))
            continue
        if len(files) > 1:
            console.line(f"{'' if number == 0 else chr(10)}{one_line(str(file))}")
        for line in list_lines(found):
            console.line(line)
        for line in record_lines({"signature": signature}) if signature else ():
            console.line(line)
        if viewer is not None:
            viewer.view(file)
    if viewer is not None:
        viewer.open_all()
    return report.exit_code()


def as_json(found: "Provenance") -> Mapping[str, object]:
    """The record; of another tool's picture its text as `parameters`, and the `request` that this states."""
    if found.record is not None:
        return found.record
    return found.foreign.fields() if found.foreign is not None else {}


def list_lines(found: "Provenance") -> Iterator[str]:
    """The record; of another tool's picture its text as it stands, then what of it can be told."""
    if found.record is not None:
        yield from record_lines(found.record)
    elif found.foreign is not None:
        yield from map(one_line, found.foreign.text.splitlines())
        if found.foreign.request:
            yield ""
            yield from record_lines(found.foreign.summary())


def record_lines(record: Mapping[str, object]) -> Iterator[str]:
    """The record as aligned lines, its nested values one a line."""
    for name, value in record.items():
        if isinstance(value, dict):
            for key, inner in value.items():
                yield f"{one_line(f'{name}.{key}'):<28} {one_line(str(inner))}"
        else:
            yield f"{one_line(name):<28} {one_line(str(value))}"


COMMAND = Command(
    "show",
    "Show the record inside generated files (and the parameters in pictures that other tools wrote).",
    show_records,
    (ShowOptions, ViewOptions, NetworkOptions, MessageOptions),
    "FILE",
    "Files that genai wrote.",
    required=True,
)
