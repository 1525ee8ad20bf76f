"""The command of a task, made from its modality: `genai image "a cat"`."""

import sys
from typing import TYPE_CHECKING

from genai_cli.cli.command import Command, Given
from genai_cli.cli.options import RUN_OPTIONS, InsteadOptions, PromptOptions, ReadingOptions, VaryOptions
from genai_cli.collector import collector_off
from genai_cli.errors import InputError
from genai_cli.modality.registry import Entry, find_modality
from genai_cli.request.input import STDIN
from genai_cli.request.option import declared_options, fields_by_word
from genai_cli.request.request import PROMPT, Request, list_inputs
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genai_cli.events import Event
    from genai_cli.modality.modality import Modality
    from genai_cli.request.rows import Rows


def make_command(entry: Entry) -> Command:
    """The command of a task."""
    modality = find_modality(entry.task)
    request_class = modality.request
    is_file = request_class.subject in list_inputs(request_class)
    instead: tuple[type, ...] = (InsteadOptions,) if request_class.instead else ()

    def run(given: Given) -> int:
        with collector_off():
            from genai_cli.cli.run import RunOptions, run_rows
            from genai_cli.cli.screen.previewing import PREVIEW
            from genai_cli.work.orders import Defaults
        other = find_other_task(request_class, given)
        if other is not None:
            return run_other(other, request_class, given)
        asked, notices = read_asked(modality, given)
        options, fields = RunOptions.read(given), collect_fields(request_class, given)
        if options.previews.keeps and PREVIEW in declared_options(request_class):
            fields[PREVIEW] = True
        rows = vary_rows(asked, given.read(VaryOptions), request_class, fields, find_subject(request_class, given))
        defaults = Defaults({request_class.task: request_class}, fields, options.output.num)
        return run_rows(rows, defaults, options, notices=notices)

    return Command(
        entry.task,
        f"{entry.summary}\n\n{modality.example}",
        run,
        (request_class, *instead, PromptOptions, VaryOptions, ReadingOptions, *RUN_OPTIONS),
        " ".join(name.upper() for name in (request_class.subject, request_class.last) if name),
        f"{modality.argument}; {'- is stdin' if is_file else '- reads them from stdin, one a line'}.",
        modality=modality,
    )


def find_subject(request_class: type[Request], given: Given) -> str:
    """The field that the arguments fill: the task's subject, or what may stand in its place."""
    return (request_class.instead if given.values.get("pictures") else None) or request_class.subject


def find_other_task(request_class: type[Request], given: Given) -> "type[Modality[Request]] | None":
    """The modality that an option of the command turns to, where it is given."""
    for name, declared in declared_options(request_class).items():
        if declared.option.turns_to is not None and given.values[name] is not None:
            return find_modality(declared.option.turns_to)
    return None


def run_other(modality: "type[Modality[Request]]", request_class: type[Request], given: Given) -> int:
    """What another task's command does with the arguments and the options of this one. Raises InputError."""
    from genai_cli.cli.run import RunOptions, run_rows
    from genai_cli.work.orders import Defaults

    other, own = modality.request, declared_options(request_class)
    turning = next(declared.option.long for declared in own.values() if declared.option.turns_to == other.task)
    words = fields_by_word(other)
    fields: JsonObject = {}
    for name, value in collect_fields(request_class, given).items():
        target = words.get(own[name].option.long.removeprefix("--").replace("-", "_"))
        if name == "model" and name not in given.named:  # that is of this task
            continue
        if target is None:
            raise InputError(f"{own[name].option.long} means nothing with {turning}", hint="leave it out")
        fields[target] = value
    asked, notices = read_asked(modality, given)
    options = RunOptions.read(given)
    rows = vary_rows(asked, given.read(VaryOptions), other, fields, other.subject)
    return run_rows(rows, Defaults({other.task: other}, fields, options.output.num), options, notices=notices)


def read_asked(modality: "type[Modality[Request]]", given: Given) -> "tuple[Rows, Sequence[Event]]":
    """The rows that arguments, files and standard input ask for, and what is to be said of them. Raises InputError."""
    from genai_cli.cli.arguments import split_last, take_arguments
    from genai_cli.request.records import RecordRows, begins_with_record
    from genai_cli.request.rows import Reading, read_pairs, read_rows

    prompts, ways = given.read(PromptOptions), given.read(ReadingOptions)
    reading = Reading.check(ways.encoding, ways.delimiter, prompts.column, prompts.template, prompts.chapters)
    stdin, rows_file, request_class = sys.stdin.buffer, prompts.prompts, modality.request
    subject, files = find_subject(request_class, given), list_inputs(request_class)
    if request_class.last is None:
        joins_words = modality.joins_words and subject == PROMPT
        taken = take_arguments(given.arguments, rows_file is not None, joins_words, reading.encoding)
        if taken.arguments == [STDIN] and begins_with_record(stdin):
            return RecordRows(stdin, request_class), taken.notices
        others = [] if reading.source else [name for name in request_class.list_subjects() if name != subject]
        subjects = [subject, *others]
        return read_rows(taken.arguments, rows_file, stdin, subjects, subject in files, reading), taken.notices
    arguments = given.arguments
    if rows_file is None and len(arguments) > 1 and arguments[-1] == STDIN:
        rows_file = arguments.pop()  # prompts, a line each
    split = split_last(arguments, has_rows=rows_file is not None)
    if split.files == [STDIN] and split.prompt is not None and begins_with_record(stdin):
        return RecordRows(stdin, request_class, [{request_class.last: split.prompt}]), split.notices
    pair, others = (subject, request_class.last), [name for name in files if name != subject]
    return read_pairs(split.files, split.prompt, rows_file, stdin, pair, others, reading), split.notices


def vary_rows(
    rows: "Rows", options: VaryOptions, request_class: type[Request], fields: JsonObject, subject: str
) -> "Rows":
    """The rows with what --expand and --vary make of them. Raises InputError.

    Combinations share a seed, so that they differ in nothing else.
    """
    from genai_cli.request.varying import SHARED_SEED, ExpandedRows, VariedRows, parse_axes

    if options.expand:
        rows = ExpandedRows(rows, subject)
    if not options.vary:
        return rows
    axes = parse_axes(options.vary, request_class)
    given = next((axis for axis in axes if axis.field in fields), None)
    if given is not None and given.field != "model":
        long = declared_options(request_class)[given.field].option.long
        raise InputError(f"--vary varies {given.word}: leave {long} out")
    has_seed = "seed" in fields or any(axis.field == "seed" for axis in axes)
    shared = {} if has_seed or not find_modality(request_class.task).draws else {"seed": SHARED_SEED}
    return VariedRows(rows, axes, subject, shared)


def collect_fields(request_class: type[Request], given: Given) -> JsonObject:
    """The fields of a request that the command sets. Raises InputError where two options set one field."""
    declared = declared_options(request_class)
    given_values = {name: given.values[name] for name in declared}
    values = {name: value for name, value in given_values.items() if value not in (None, declared[name].default)}
    for name in values:
        clashing = declared[name].option.parse and set(declared[name].option.sets) & set(values)
        if clashing:
            sets = " and ".join(declared[name].option.sets)
            options = " and ".join(declared[other].option.long for other in declared[name].option.sets)
            raise InputError(f"{declared[name].option.long} sets {sets}: leave {options} out")
    return values
