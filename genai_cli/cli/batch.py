"""genai batch: the jobs of a file, of any tasks."""

import sys
from dataclasses import dataclass
from typing import Annotated

from genai_cli.cli.command import Command, Given
from genai_cli.cli.options import RUN_OPTIONS, ReadingOptions
from genai_cli.errors import InputError
from genai_cli.modality.registry import list_requests
from genai_cli.request.option import MODEL, OUTPUT, Option
from genai_cli.request.request import MAX_SEED

OPENAI = "openai"


@dataclass(frozen=True, kw_only=True)
class JobsOptions:
    """What rows take that name none, and the format of results."""

    model: Annotated[
        str | None,
        Option("-m", "--model", help="The model of rows that name none.", default="the task's own", heading=MODEL),
    ] = None
    seed: Annotated[
        int | None,
        Option(
            "--seed",
            help="Seed of rows that have none; drawn and recorded if not given or -1.",
            low=0,
            high=MAX_SEED,
            heading=OUTPUT,
            unset=-1,
        ),
    ] = None
    format: Annotated[
        str,
        Option(
            "--format",
            help="Of -o FILE.jsonl: genai (records), or openai (a line for each request).",
            choices=("genai", OPENAI),
            heading=OUTPUT,
        ),
    ] = "genai"


def run_batch(given: Given) -> int:
    """Run the jobs of a file, of any tasks, into a folder or one file, and return the exit code."""
    from genai_cli.cli.run import RunOptions, run_rows
    from genai_cli.request.rows import Reading, read_rows
    from genai_cli.work.orders import Defaults

    options, own = RunOptions.read(given), given.read(JobsOptions)
    if options.output.output is None:
        raise InputError("a batch needs a folder", hint="-o out/ names one")
    values = {"seed": own.seed, "model": own.model}
    fields: dict[str, object] = {name: value for name, value in values.items() if value is not None}
    requests = list_requests()
    all_subjects = (subject for request_class in requests.values() for subject in request_class.list_subjects())
    subjects = list(dict.fromkeys(all_subjects))
    ways = given.read(ReadingOptions)
    reading = Reading.check(ways.encoding, ways.delimiter)
    rows = read_rows([], given.arguments[0], sys.stdin.buffer, subjects, reading=reading)
    return run_rows(rows, Defaults(requests, fields, options.output.num), options, is_openai=own.format == OPENAI)


COMMAND = Command(
    "batch",
    "Make all that a file asks for, of any kinds, into a folder; killed and run again, it does what is missing.\n\n"
    'A row: {"task": "image", "prompt": "a red circle", "seed": 1, "id": "circle"}',
    run_batch,
    (JobsOptions, ReadingOptions, *RUN_OPTIONS),
    "JOBS",
    "A .jsonl, .csv or .tsv file of jobs; - is stdin.",
    single=True,
)
