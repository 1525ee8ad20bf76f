"""What the four commands share: rows become requests, requests run, results are shown."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from genai_cli.console import Console, one_line
from genai_cli.errors import GenaiError, InputError, PartialError
from genai_cli.modality.request import Request
from genai_cli.options import RunOptions
from genai_cli.output.names import Destination, fill_template, parse_destination
from genai_cli.output.record import to_json
from genai_cli.output.writer import Writer
from genai_cli.work.job import Order
from genai_cli.work.prompts import Row, read_rows
from genai_cli.work.runner import Finished, RunSettings, name_fields, plan_jobs, references_of, run

TO_STDOUT = "-"
NOT_PER_ROW = ("num", "id")


def run_command(
    kind: type[Request], prompts: Sequence[str] | None, fields: Mapping[str, Any], options: RunOptions
) -> int:
    """Run one of the four commands and return its exit code."""
    rows = read_rows(prompts or [], options.prompts, sys.stdin.buffer)
    orders = [order_of(kind, row, fields, options) for row in rows]
    items = sum(order.number for order in orders)
    destination = destination_of(kind, options, items)
    suffix = destination.suffix if destination else kind.suffixes[0]
    settings = RunSettings(
        kind.task, suffix, options.device, options.dtype, options.variant, options.offline, options.metadata
    )
    references = references_of(orders)
    writer = Writer(destination) if destination else None
    if writer:
        writer.check()
    streams = kind.task == "text" and items == 1 and not options.json and not options.dry_run
    console = Console(quiet=options.quiet, verbose=options.verbose, stream_text=streams)
    if options.dry_run:
        show_plan(orders, references, destination, console)
        return 0
    failures = []
    for finished in run(orders, settings, writer, console.emit):
        show(finished, options, console, items, streams)
        if finished.error:
            failures.append(finished.error)
    return exit_code(failures, items)


def order_of(kind: type[Request], row: Row, fields: Mapping[str, Any], options: RunOptions) -> Order:
    """The request of a row: the command's options, overridden by the row's own fields. Raises InputError."""
    try:
        own = {name: value for name, value in row.fields.items() if name not in NOT_PER_ROW}
        base = {"seed": options.seed, **fields}
        request = kind.from_fields({**base, **own})
        number = row.fields.get("num", options.num)
        if isinstance(number, bool) or not str(number).isdecimal() or int(number) < 1:
            raise InputError(f"--num must be 1 or more, not {number}")
        row_id = row.fields.get("id")
        return Order(request, int(number), None if row_id is None else str(row_id))
    except GenaiError as error:
        raise row.located(error) from None


def destination_of(kind: type[Request], options: RunOptions, items: int) -> Destination | None:
    """Where files go: None where there are none (`-o -`; text and labels without -o). Raises InputError."""
    printed = kind.task in ("text", "classify")
    if options.output == TO_STDOUT:
        if options.json:
            raise InputError("-o - and --json both want stdout", hint="give one of them")
        if items > 1 and not printed:
            raise InputError(f"-o - writes one file and there are {items} results", hint="-o out/ names a folder")
        return None
    if options.output is None and printed:
        return None
    return parse_destination(options.output, kind.suffixes, items)


def show(finished: Finished, options: RunOptions, console: Console, items: int, streamed: bool) -> None:
    """Show one job's end: its line on stdout, or its error on stderr."""
    if finished.error:
        console.fail(finished.error)
    if options.json:
        console.line(to_json(finished.line()))
    elif finished.error:
        return
    elif finished.job.request.task == "text":
        if streamed:
            console.line("")
        else:
            console.line(finished.record["text"])
    elif finished.job.request.task == "classify":
        text = f"\t{one_line(finished.job.request.prompt)}" if items > 1 else ""
        for label in finished.record["labels"]:
            console.line(f"{one_line(label['label'])}\t{label['score']:.4f}{text}")
    elif options.output == TO_STDOUT:
        console.write_bytes(finished.data)
    else:
        console.line(str(finished.file))


def show_plan(
    orders: Sequence[Order],
    references: Mapping[str, Any],
    destination: Destination | None,
    console: Console,
) -> None:
    """`--dry-run`: the files that would be written (SEED where it is not given), and a summary on stderr."""
    jobs = plan_jobs(orders, references)
    seeded = [order.request.seed is not None for order in orders for _ in range(order.number)]
    for job, has_seed in zip(jobs, seeded, strict=True):
        if destination is not None:
            # The key needs the model's commit, which is not asked for here; a seed not given is drawn at each run.
            unknown = "key" if has_seed else "key|seed"
            template = re.sub(rf"\{{({unknown})[^}}]*\}}", lambda field: field[1].upper(), destination.template)
            console.line(str(destination.folder / (fill_template(template, name_fields(job)) + destination.suffix)))
    models = ", ".join(sorted({str(reference) for reference in references.values()}))
    console.tell(f"would make {len(jobs)} result{'s' * (len(jobs) != 1)} with {models}; nothing was loaded or written")


def exit_code(failures: Sequence[GenaiError], items: int) -> int:
    """0 where all is done; one item's own code; 3 where some of several failed."""
    if not failures:
        return 0
    return failures[0].exit_code if items == 1 else PartialError.exit_code
