"""The command of a task, made from its modality: `genai image "a cat"`."""

import sys
from typing import TYPE_CHECKING

from genai_cli.cli.command import Command, Given
from genai_cli.cli.options import RUN_OPTIONS, PromptOptions, ReadingOptions, VaryOptions
from genai_cli.errors import InputError
from genai_cli.modality.registry import Entry, find_modality
from genai_cli.request.option import declared_options
from genai_cli.request.request import PROMPT, Request, list_inputs
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from genai_cli.request.rows import Rows


def make_command(entry: Entry) -> Command:
    """The command of a task."""
    modality = find_modality(entry.task)
    request_class = modality.request
    is_file = request_class.subject in list_inputs(request_class)

    def run(given: Given) -> int:
        from genai_cli.cli.arguments import take_arguments
        from genai_cli.cli.run import RunOptions, run_rows
        from genai_cli.cli.screen.previewing import PREVIEW
        from genai_cli.request.input import STDIN
        from genai_cli.request.records import begins_with_record
        from genai_cli.request.rows import Reading, read_rows
        from genai_cli.work.orders import Defaults

        prompts, ways = given.read(PromptOptions), given.read(ReadingOptions)
        reading = Reading.check(ways.encoding, ways.delimiter, prompts.column, prompts.template)
        stdin, subjects = sys.stdin.buffer, [request_class.subject]
        joins_words = modality.joins_words and request_class.subject == PROMPT
        taken = take_arguments(given.arguments, prompts.prompts is not None, joins_words, reading.encoding)
        has_records = taken.arguments == [STDIN] and begins_with_record(stdin)
        arguments, file = ([], STDIN) if has_records else (taken.arguments, prompts.prompts)
        rows = read_rows(arguments, file, stdin, subjects, is_file, reading)
        options, fields = RunOptions.read(given), collect_fields(request_class, given)
        if options.previews.keeps and PREVIEW in declared_options(request_class):
            fields[PREVIEW] = True
        rows = vary_rows(rows, given.read(VaryOptions), request_class, fields)
        defaults = Defaults({request_class.task: request_class}, fields, options.output.num)
        return run_rows(rows, defaults, options, notices=taken.notices)

    return Command(
        entry.task,
        f"{entry.summary}\n\n{modality.example}",
        run,
        (request_class, PromptOptions, VaryOptions, ReadingOptions, *RUN_OPTIONS),
        request_class.subject.upper(),
        f"{modality.argument}; {'- is stdin' if is_file else '- reads them from stdin, one a line'}.",
        modality=modality,
    )


def vary_rows(rows: "Rows", options: VaryOptions, request_class: type[Request], fields: JsonObject) -> "Rows":
    """The rows with what --expand and --vary make of them. Raises InputError.

    Combinations share a seed, so that they differ in nothing else.
    """
    from genai_cli.request.varying import SHARED_SEED, ExpandedRows, VariedRows, parse_axes

    if options.expand:
        rows = ExpandedRows(rows, request_class.subject)
    if not options.vary:
        return rows
    axes = parse_axes(options.vary, request_class)
    given = next((axis for axis in axes if axis.field in fields), None)
    if given is not None and given.field != "model":
        long = declared_options(request_class)[given.field].option.long
        raise InputError(f"--vary varies {given.word}: leave {long} out")
    has_seed = "seed" in fields or any(axis.field == "seed" for axis in axes)
    shared = {} if has_seed or not find_modality(request_class.task).draws else {"seed": SHARED_SEED}
    return VariedRows(rows, axes, request_class.subject, shared)


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
