"""The command of a task, made from its modality: `genai image "a cat"`."""

import sys

from genai_cli.cli.command import Command, Given
from genai_cli.cli.options import RUN_OPTIONS, PromptOptions, ReadingOptions
from genai_cli.errors import InputError
from genai_cli.modality.registry import Entry, find_modality
from genai_cli.request.input import STDIN
from genai_cli.request.option import declared_options
from genai_cli.request.request import PROMPT, Request, list_inputs
from genai_cli.types import JsonObject


def make_command(entry: Entry) -> Command:
    """The command of a task."""
    modality = find_modality(entry.task)
    request_class = modality.request
    files = list_inputs(request_class)
    is_file = request_class.subject in files

    def run(given: Given) -> int:
        from genai_cli.cli.arguments import split_last, take_arguments
        from genai_cli.cli.run import RunOptions, run_rows
        from genai_cli.request.rows import Reading, Rows, read_pairs, read_rows
        from genai_cli.work.orders import Defaults

        prompts, ways = given.read(PromptOptions), given.read(ReadingOptions)
        reading = Reading.check(ways.encoding, ways.delimiter, prompts.column, prompts.template)
        stdin, subject, rows_file = sys.stdin.buffer, request_class.subject, prompts.prompts
        rows: Rows
        if request_class.last is not None:
            arguments = given.arguments
            if rows_file is None and len(arguments) > 1 and arguments[-1] == STDIN:
                rows_file = arguments.pop()  # prompts, a line each
            split = split_last(arguments, has_rows=rows_file is not None)
            pair, others = (subject, request_class.last), [name for name in files if name != subject]
            rows = read_pairs(split.files, split.prompt, rows_file, stdin, pair, others, reading)
            notices = split.notices
        else:
            joins_words = modality.joins_words and subject == PROMPT
            taken = take_arguments(given.arguments, rows_file is not None, joins_words, reading.encoding)
            rows = read_rows(taken.arguments, rows_file, stdin, [subject], is_file, reading)
            notices = taken.notices
        options = RunOptions.read(given)
        return run_rows(
            rows,
            Defaults({request_class.task: request_class}, collect_fields(request_class, given), options.output.num),
            options,
            notices=notices,
        )

    return Command(
        entry.task,
        f"{entry.summary}\n\n{modality.example}",
        run,
        (request_class, PromptOptions, ReadingOptions, *RUN_OPTIONS),
        " ".join(name.upper() for name in (request_class.subject, request_class.last) if name),
        f"{modality.argument}; {'- is stdin' if is_file else '- reads them from stdin, one a line'}.",
        modality=modality,
    )


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
