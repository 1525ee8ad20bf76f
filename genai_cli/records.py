"""genai show and genai rerun: what a file tells of its making, and making it again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from genai_cli.console import Console, one_line
from genai_cli.errors import GenaiError, InputError, ResultError
from genai_cli.model.names import BUILT_IN
from genai_cli.options import CommonOptions, JobOptions
from genai_cli.output.reading import read_story
from genai_cli.output.record import Record, to_json
from genai_cli.output.signing import read_signature
from genai_cli.run_command import run_rows, settings_of
from genai_cli.work.orders import KINDS, Defaults, Orders
from genai_cli.work.prompts import Row
from genai_cli.work.report import Report
from genai_cli.work.runner import Todo, run

# What may make the same request give another result.
COMPARED = ("device", "dtype", "compiled", "vae_dtype", "memory", "model", "libraries", "parameters", "genai")


def show_files(files: list[Path], options: CommonOptions) -> int:
    """Print what each file tells; one that tells nothing is an error, and the others are shown all the same."""
    console = Console(quiet=options.quiet, verbose=options.verbose)
    report = Report(len(files))
    for number, file in enumerate(files):
        try:
            story = read_story(file)
        except GenaiError as error:
            console.fail(error)
            report.take(error)
            continue
        report.take(None)
        signature = read_signature(file)
        if options.json:
            told = story.record if story.record is not None else {"parameters": story.parameters}
            console.line(to_json(told | ({"signature": signature} if signature else {})))
            continue
        if len(files) > 1:
            console.line(f"{'' if number == 0 else chr(10)}{one_line(str(file))}")
        for line in story_lines(story.record, story.parameters):
            console.line(line)
        for line in story_lines({"signature": signature}, None) if signature else ():
            console.line(line)
    return report.exit_code()


def story_lines(record: Record | None, parameters: str | None) -> Iterator[str]:
    """The record as aligned lines, its nested values one a line; or another tool's text as it is."""
    if record is None:
        yield from (one_line(line) for line in str(parameters).splitlines())
        return
    for name, value in record.items():
        if isinstance(value, dict):
            for key, inner in value.items():
                yield f"{one_line(f'{name}.{key}'):<28} {one_line(str(inner))}"
        else:
            yield f"{one_line(name):<28} {one_line(str(value))}"


@dataclass(frozen=True)
class Copy:
    """A file to make again, its record, and the request that this describes."""

    file: Path
    record: Record
    row: Row


def rerun_files(files: list[Path], changes: Mapping[str, Any], verify: bool, options: JobOptions) -> int:
    """Make each file again from its record, with the changes given; with `verify`, compare and keep nothing."""
    if verify and changes:
        raise InputError("--verify compares the same request: leave the other options out")
    copies: dict[str, list[Copy]] = {}
    for file in files:
        record = record_of(file)
        row = row_of(record, changes)
        copies.setdefault(to_json(row), []).append(Copy(file, record, Row(row, str(file))))
    rows = [several[0].row for several in copies.values()]  # equal requests of one run would get different seeds
    if not verify:
        return run_rows(rows, Defaults(KINDS, {}), options)
    return verify_rows(rows, list(copies.values()), options)


def record_of(file: Path) -> Record:
    """The record of a file that genai can make again. Raises InputError."""
    record = read_story(file).record
    if record is None:
        raise InputError(f"{file} was written by another tool", hint="genai show FILE shows what it tells")
    if "prompt" not in record or "parameters" not in record:
        raise InputError(f"{file} does not hold its prompt: it was written with --no-metadata")
    if str(record.get("task")) not in KINDS:
        raise InputError(f"{file} holds a record of an unknown task {record.get('task')!r}")
    model = record.get("model")
    if not (isinstance(model, dict) and isinstance(model.get("id"), str) and isinstance(record["parameters"], dict)):
        raise InputError(f"{file} holds a broken record")
    return record


def row_of(record: Record, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The request that a record describes, as a row: the model at its commit, the same options, the same seed."""
    from genai_cli.modality.schedulers import SCHEDULERS

    known = {field.name for field in fields(KINDS[record["task"]])}
    row = {name: value for name, value in record["parameters"].items() if name in known}
    if row.get("scheduler") not in (None, *SCHEDULERS):
        row["scheduler"] = None  # the model's own, which has no short name
    model = record["model"]
    name, revision = model["id"], model.get("revision")
    if name != BUILT_IN and revision:
        name = f"{name}@{revision}"
    return {"task": record["task"], "prompt": record["prompt"], "model": name, **row, **changes}


def verify_rows(rows: list[Row], copies: list[list[Copy]], options: JobOptions) -> int:
    """Make each row once and compare the hash of its content with its files'; say what differs where they do."""
    orders = Orders(rows, Defaults(KINDS, {}))
    survey = orders.survey()
    if survey.first_bad:
        raise survey.first_bad[0]
    files = sum(map(len, copies))
    console = Console(quiet=options.quiet, verbose=options.verbose, debug=options.debug, items=files)
    report = Report(files)
    todo = Todo(None, False, Report(len(rows)))
    for finished in run(orders, survey.groups, settings_of(options), todo, console.emit):
        for copy in copies[finished.job.index]:
            error = finished.error
            if error is None and finished.record["content_sha256"] == copy.record.get("content_sha256"):
                console.line(f"{one_line(str(copy.file))}: the same")
            else:
                hint = differences(copy.record, finished.record)
                error = error or ResultError(f"{copy.file}: another result", hint=hint)
                console.fail(error)
            report.take(error)
    return report.exit_code()


def differences(old: Record, new: Record) -> str:
    """What differs between two records in what may change a result."""
    found = []
    for name in COMPARED:
        before, after = old.get(name), new.get(name)
        pairs = {name: (before, after)}
        if isinstance(before, dict) and isinstance(after, dict):
            pairs = {f"{name}.{key}": (before.get(key), after.get(key)) for key in {**before, **after}}
        found += [f"{key} was {one} and is {other}" for key, (one, other) in pairs.items() if one != other]
    return "; ".join(found) or "device, dtype, model and libraries are the same; the processor may differ"
