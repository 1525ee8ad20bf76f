"""What the commands that run models share: rows become orders, orders run, results are shown."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from genai_cli.console import Console, one_line
from genai_cli.errors import InputError, Terminated
from genai_cli.events import Notice
from genai_cli.modality.request import Request
from genai_cli.model.license import parse_licenses
from genai_cli.model.names import parse_name
from genai_cli.options import JobOptions, RunOptions
from genai_cli.output.batch import BatchFolder
from genai_cli.output.manifest import parse_shard
from genai_cli.output.names import Destination, parse_destination
from genai_cli.output.onefile import OneFile
from genai_cli.output.record import to_json
from genai_cli.output.signing import FORMATS as SIGNED_TYPES
from genai_cli.output.signing import Signer, load_signer
from genai_cli.output.writer import Writer
from genai_cli.plan import show_files, show_plan
from genai_cli.work.engine import LOCAL, Engine
from genai_cli.work.grouping import parse_batch_size
from genai_cli.work.orders import KINDS, Defaults, Orders, Survey
from genai_cli.work.prompts import BadRow, FileRows, Rows, read_rows
from genai_cli.work.report import Report
from genai_cli.work.results import FILE_TYPES, Form, place_results
from genai_cli.work.runner import Finished, RunSettings, Todo, jobs_of, run

TO_STDOUT = "-"
PRINTED = {"text", "classify"}
OPENAI = "openai"
FORMATS = ("genai", OPENAI)


def run_command(
    kind: type[Request], prompts: Sequence[str] | None, fields: Mapping[str, Any], options: RunOptions
) -> int:
    """Run one of the four commands and return its exit code."""
    rows = read_rows(prompts or [], options.prompts, sys.stdin.buffer, options.column)
    return run_rows(rows, Defaults({kind.task: kind}, {"seed": options.seed, **fields}, options.num), options)


def run_batch(jobs: str, model: str | None, result_format: str, options: JobOptions) -> int:
    """Run the jobs of a file, of any kinds, into a folder or one file, and return the exit code."""
    if options.output is None:
        raise InputError("a batch needs a folder", hint="-o out/ names one")
    if result_format not in FORMATS:
        raise InputError(f"unknown --format {result_format!r}", hint=f"one of {', '.join(FORMATS)}")
    fields = {"seed": options.seed} | ({"model": model} if model else {})
    rows = read_rows([], jobs, sys.stdin.buffer)
    return run_rows(rows, Defaults(KINDS, fields, options.num), options, is_openai=result_format == OPENAI)


def run_rows(rows: Rows, defaults: Defaults, options: JobOptions, is_openai: bool = False) -> int:
    """Check everything that can be checked beforehand, run what is left to do, and return the exit code."""
    orders = Orders(rows, defaults)
    survey = orders.survey()
    console = Console(quiet=options.quiet, verbose=options.verbose, debug=options.debug, items=survey.items)
    refuse_bad_rows(survey, options, console)
    form = form_of(rows, survey, options, is_openai)
    destination = None if form else destination_of(survey.tasks, options, survey.items)
    settings = replace(
        settings_of(options),
        suffix=destination.suffix if destination else None,
        signer=signer_of(orders, destination, options),
    )
    check_model_name(survey)
    writer = file_of(form, survey, options) if form else writer_of(destination, rows, options)
    todo = Todo(writer, options.retry_failed, Report(survey.items), options.limit)
    if options.dry_run:
        if isinstance(rows, FileRows) or options.json:
            show_plan(orders, survey, todo, options, console)
        else:
            show_files(orders, survey, destination, options.output if form else None, console)
        return 0
    console.streams_text = (
        survey.tasks == {"text"} and survey.items == 1 and settings.engine.name == LOCAL and not (options.json or form)
    )
    console.counts = writer is not None and writer.is_batch
    with closing(console), writer or nullcontext():
        if writer and survey.bad:
            note_bad_rows(orders, writer)
        return run_orders(orders, survey, settings, todo, form, options, console)


def check_model_name(survey: Survey) -> None:
    """Raise ModelError now where the only model's name can be none; one of several costs its own items alone."""
    named = {(group.model, group.task) for group in survey.groups}
    if len(named) == 1:
        parse_name(*named.pop())


def form_of(rows: Rows, survey: Survey, options: JobOptions, is_openai: bool) -> Form | None:
    """How all results stand in the one file that -o names; None where each has a file of its own. Raises InputError."""
    path = Path(options.output or "").expanduser()
    suffix = path.suffix.lower()
    is_file = suffix in FILE_TYPES and not path.is_dir() and not set(str(path)) & set("{}")
    if not is_openai and not (is_file and survey.tasks <= PRINTED):
        return None
    if is_openai and not (is_file and suffix == ".jsonl"):
        raise InputError("--format openai writes one file", hint="-o results.jsonl names it")
    if is_openai and survey.openai < survey.items:
        others = survey.items - survey.openai
        raise InputError(f"--format openai needs requests in that format, and {others} rows are none")
    if suffix == ".csv" and len(survey.tasks) > 1:
        raise InputError("a table holds results of one kind", hint="-o out.jsonl takes several, -o out/ all")
    is_table = suffix == ".csv" or (isinstance(rows, FileRows) and rows.column is not None)
    return Form(suffix, is_table, is_openai)


def file_of(form: Form, survey: Survey, options: JobOptions) -> Writer:
    """What writes the one file. Raises OutputError, InputError."""
    if options.shard:
        raise InputError("--shard needs a folder to fill: one file cannot be made in parts", hint="-o out/")
    writer = OneFile(Path(str(options.output)).expanduser(), with_data=form.is_openai and "image" in survey.tasks)
    writer.check()
    return writer


def settings_of(options: JobOptions) -> RunSettings:
    """How the options want jobs to be run. Raises InputError."""
    return RunSettings(
        device=options.device,
        dtype=options.dtype,
        variant=options.variant,
        offline=options.offline,
        metadata=options.metadata,
        engine=Engine(options.engine, options.workers, options.ray_address),
        licenses=parse_licenses(options.require_license),
        compile=options.compile,
        batch_size=parse_batch_size(options.batch_size),
    )


def signer_of(orders: Orders, destination: Destination | None, options: JobOptions) -> Signer | None:
    """What signs the files, where the user names a certificate and its key. Raises InputError."""
    if options.c2pa_cert is None and options.c2pa_key is None:
        return None
    if options.c2pa_cert is None or options.c2pa_key is None:
        raise InputError("--c2pa-cert and --c2pa-key go together")
    named = destination.suffix if destination else None
    for suffix in {order.suffix or named or KINDS[order.request.task].suffixes[0] for order in orders}:
        if suffix not in SIGNED_TYPES:
            raise InputError(f"a {suffix} file cannot be signed", hint=f"one of {', '.join(SIGNED_TYPES)}")
    return load_signer(options.c2pa_cert, options.c2pa_key)


def writer_of(destination: Destination | None, rows: Rows, options: JobOptions) -> Writer | None:
    """What writes the files; a folder named for prompts from a file is a batch's. Raises OutputError, InputError."""
    is_batch = options.output is not None and destination is not None and isinstance(rows, FileRows)
    if destination is None or destination.overwrite or not is_batch:
        if options.shard or options.retry_failed:
            raise InputError("--shard and --retry-failed need prompts from a file and a folder to fill", hint="-o out/")
        writer = Writer(destination) if destination else None
    else:
        writer = BatchFolder(destination, parse_shard(options.shard) if options.shard else None)
    if writer:
        writer.check()
    return writer


def refuse_bad_rows(survey: Survey, options: JobOptions, console: Console) -> None:
    """Raise InputError where rows are bad, the first of them named, unless they are to be passed over."""
    if survey.bad == 1 and not options.skip_bad:
        error = survey.first_bad[0]
        raise InputError(error.message, error.hint or ("--skip-bad passes over it" if survey.items else None))
    if survey.bad:
        for error in survey.first_bad:
            console.fail(error)
        if not options.skip_bad:
            rows = survey.items + survey.bad
            raise InputError(
                f"{survey.bad} of {rows} rows are bad; nothing was made", hint="--skip-bad passes over them"
            )
        console.emit(Notice(f"{survey.bad} bad row{'s' * (survey.bad != 1)} passed over"))
    if not survey.items:
        raise InputError("all rows are bad" if survey.bad else "the file holds no prompts")


def note_bad_rows(orders: Orders, writer: Writer) -> None:
    """Note the rows that are passed over, where such are noted."""
    for entry in orders.read():
        if isinstance(entry, BadRow):
            writer.note_bad(entry.error.message)


def destination_of(tasks: set[str], options: JobOptions, items: int) -> Destination | None:
    """Where files go: None where there are none (`-o -`; text and labels without -o). Raises InputError."""
    suffixes = tuple(dict.fromkeys(suffix for task in sorted(tasks) for suffix in KINDS[task].suffixes))
    suffixes += FILE_TYPES if tasks <= PRINTED else ()
    if options.output == TO_STDOUT:
        if options.json:
            raise InputError("-o - and --json both want stdout", hint="give one of them")
        if items > 1 and not tasks <= PRINTED:
            raise InputError(f"-o - writes one file and there are {items} results", hint="-o out/ names a folder")
        return None
    if options.output is None and tasks <= PRINTED:
        return None
    destination = parse_destination(options.output, suffixes, items)
    if destination.suffix is not None and any(destination.suffix not in KINDS[task].suffixes for task in tasks):
        raise InputError(f"{destination.suffix} does not suit all of {', '.join(sorted(tasks))}", hint="-o out/")
    return destination


def run_orders(
    orders: Orders,
    survey: Survey,
    settings: RunSettings,
    todo: Todo,
    form: Form | None,
    options: JobOptions,
    console: Console,
) -> int:
    """Run the orders, show each result, and return the exit code."""
    report = todo.report
    to_resume = f"/{report.items} done; run the same command to resume"
    try:
        for finished in run(orders, survey.groups, settings, todo, console.emit):
            show(finished, form, options, console)
            if console.counts:
                console.show_count(report.done + report.failed, report.left, report.text())
    except (KeyboardInterrupt, Terminated):
        if console.counts and todo.writer:
            done = report.all_done if len(survey.groups) == 1 else count_done(orders, todo, todo.writer)
            console.tell(f"{done}{to_resume}")
        raise
    if form and isinstance(todo.writer, OneFile):
        if place_results(orders, survey, todo.references, todo.writer, form):
            if not options.json:
                console.line(str(todo.writer.path))
        elif report.left and not options.quiet:
            console.tell(f"{report.all_done}{to_resume}")
    if console.counts and not options.quiet:
        console.tell(report.text())
    return report.exit_code()


def count_done(orders: Orders, todo: Todo, writer: Writer) -> int:
    """How many items are done, those of models that this run did not come to included."""
    return sum(writer.is_finished(job.key) == "done" for job in jobs_of(orders, todo.references, writer))


def show(finished: Finished, form: Form | None, options: JobOptions, console: Console) -> None:
    """Show one job's end: its line on stdout, or its error on stderr; what goes into one file is shown when it is."""
    if finished.error:
        console.fail(finished.error)
    if options.json:
        console.line(to_json(finished.line()))
    elif finished.error or form:
        return
    elif finished.file is not None and finished.job.request.task not in PRINTED:
        console.line(str(finished.file))
    elif finished.job.request.task == "text":
        console.line("" if console.streams_text else finished.record["text"])
    elif finished.job.request.task == "classify":
        text = f"\t{one_line(finished.job.request.prompt)}" if console.items > 1 else ""
        for label in finished.record["labels"]:
            console.line(f"{one_line(label['label'])}\t{label['score']:.4f}{text}")
    else:
        console.write_bytes(finished.data)
