"""What the commands that run models share: rows become orders, orders run, results are shown."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from genai_cli.cli.command import Given
from genai_cli.cli.console import Console
from genai_cli.cli.options import BatchOptions, MessageOptions, OutputOptions, read_access
from genai_cli.cli.row_order import RowOrder
from genai_cli.cli.screen.previewing import PREVIEW, Previewer, PreviewOptions
from genai_cli.cli.screen.sound_stream import Listeners
from genai_cli.cli.screen.viewer import Viewer, ViewOptions
from genai_cli.cli.servers import ServerUse
from genai_cli.cli.sheets import SheetMaker, SheetOptions
from genai_cli.content.content import SIGNED_TYPES, Content
from genai_cli.content.record import to_json
from genai_cli.content.signing import Signer, load_signer
from genai_cli.device.spec import Placing
from genai_cli.errors import GenaiError, InputError, Terminated
from genai_cli.events import Event, Notice
from genai_cli.hub.access import Access
from genai_cli.hub.names import parse_name
from genai_cli.modality.registry import check_compiler_tasks, find_modality, load_catalog
from genai_cli.request.rows import BadRow, FileRows, Rows
from genai_cli.request.tables import COMMA, TAB
from genai_cli.request.varying import is_batch, unwrap
from genai_cli.store.batch_folder import BatchFolder
from genai_cli.store.manifest import parse_shard
from genai_cli.store.names import Destination, parse_destination
from genai_cli.store.one_file import OneFile
from genai_cli.store.writer import Writer
from genai_cli.work.assignment import Delivery
from genai_cli.work.batching import parse_batch_size
from genai_cli.work.engines.engine import LOCAL, Engine
from genai_cli.work.engines.keeping import Keeping
from genai_cli.work.orders import Defaults, Orders, Survey
from genai_cli.work.report import Report
from genai_cli.work.results import FILE_TYPES, Form, find_one_file, list_wholes, place_results
from genai_cli.work.runner import Finished, RunSettings, Todo, list_jobs, run

TO_STDOUT = "-"
MANY = 1000  # texts or labels that are better kept together


@dataclass(frozen=True)
class RunOptions:
    """Those options, as they were given."""

    output: OutputOptions
    access: Access
    placing: Placing
    batch: BatchOptions
    engine: Engine
    keeping: Keeping
    messages: MessageOptions
    servers: ServerUse
    view: ViewOptions
    sheet: SheetOptions
    previews: PreviewOptions
    asks_preview: bool
    """Whether previews are to be drawn in the terminal."""

    @classmethod
    def read(cls, given: Given) -> Self:
        """The options of a command. Raises InputError."""
        access = read_access(given)
        placing, batch, engine = given.read(Placing), given.read(BatchOptions), given.read(Engine)
        output, keeping, messages = given.read(OutputOptions), given.read(Keeping), given.read(MessageOptions)
        servers, view = ServerUse.read(given), given.read(ViewOptions)
        shown = (view, given.read(SheetOptions), given.read(PreviewOptions), bool(given.values.get(PREVIEW)))
        return cls(output, access, placing, batch, engine, keeping, messages, servers, *shown)

    def make_console(self, items: int) -> Console:
        """What shows messages and results of so many items."""
        console = self.messages.open_console(items)
        if self.output.null:
            if self.messages.json:
                raise InputError("--null and --json: each record is a line already", hint="leave one of them out")
            console.end = "\0"
        return console

    def make_settings(self, survey: Survey, suffix: str | None = None, signer: Signer | None = None) -> RunSettings:
        """How the options want jobs to be run. Raises InputError, for options that mean nothing for the models too."""
        models = {needs.model for needs in survey.needs}
        self.servers.check(models)
        self.engine.check_models(models)
        if "compiler" in self.servers.named:
            check_compiler_tasks(self.placing.compiler, survey.tasks)
        delivery = Delivery(suffix, self.output.metadata)
        batch_size, key = parse_batch_size(self.batch.batch_size), self.servers.choose_key(models)
        keep = self.keeping.find_seconds(self.engine.engine == LOCAL)
        return RunSettings(self.placing, self.access, delivery, self.engine, key, signer, batch_size, keep)


def find_content(task: str) -> type[Content]:
    """The medium of a task."""
    return find_modality(task).content


def run_rows(
    rows: Rows, defaults: Defaults, options: RunOptions, is_openai: bool = False, notices: Sequence[Event] = ()
) -> int:
    """Check everything that can be checked beforehand, run what is left to do, and return the exit code."""
    orders = Orders(rows, defaults)
    survey = orders.survey
    console = options.make_console(survey.items)
    for notice in notices:
        console.emit(notice)
    refuse_bad_rows(survey, options, console)
    form = select_form(rows, survey, options, is_openai)
    destination = None if form else select_destination(survey.tasks, options, survey.items)
    suffix = destination.suffix if destination else None
    settings = options.make_settings(survey, suffix, select_signer(survey, suffix, options))
    check_model_name(survey)
    writer = open_file(form, survey, options) if form else select_writer(destination, rows, survey, options)
    todo = Todo(writer, options.batch.retry_failed, Report(survey.items), options.batch.limit)
    if options.batch.dry_run:
        from genai_cli.cli.plan import show_chapters, show_files, show_plan

        with closing(console):
            show_chapters(unwrap(rows), orders, destination, options.messages.json, console)
            if isinstance(unwrap(rows), FileRows) or options.messages.json:
                show_plan(orders, todo, settings, options.messages.json, console)
            else:
                show_files(orders, destination, options.output.output if form else None, console)
        return 0
    streams = len(survey.tasks) == 1 and find_modality(next(iter(survey.tasks))).streams
    is_local = settings.engine.engine == LOCAL
    console.shows_paths = destination is not None and fills_folder(destination, options)
    is_shown = not (options.messages.json or form or console.shows_paths)
    console.streams_text = streams and survey.items == 1 and is_local and is_shown
    if survey.items == 1 and is_local and all(find_modality(task).streams_sound for task in survey.tasks):
        console.listeners = Listeners.choose(options.output.output == TO_STDOUT, options.view.play)
    console.names_files = destination is not None and options.output.output is None
    console.counts = writer is not None and writer.is_batch
    console.previewer = Previewer.choose(options.previews, options.asks_preview, console)
    if not (options.messages.json or form or options.output.null):
        console.viewer = Viewer.choose(options.view, console, survey.items, console.counts)
    if isinstance(writer, BatchFolder) and not options.batch.pack:
        suggest_one_file(survey, console)
    with closing(console), writer or nullcontext():
        if writer:
            writer.expect(survey.items)
        if writer and survey.bad:
            for entry in orders.entries():
                if isinstance(entry, BadRow):
                    writer.note_bad(entry.error.message)
        return run_orders(orders, settings, todo, form, options, console)


def fills_folder(destination: Destination, options: RunOptions) -> bool:
    """Whether results go to a folder that the user names: their paths are then what stdout shows."""
    return options.output.output is not None and not destination.overwrite


def suggest_one_file(survey: Survey, console: Console) -> None:
    """Say what takes less time and room than a folder with thousands of texts or labels, two files each."""
    printed = sum(items for needs, items in survey.needs.items() if find_content(needs.task).printed)
    if printed >= MANY:
        suffix = ".csv" if len(survey.tasks) == 1 else ".jsonl"
        one = f"-o NAME{suffix} writes one, " if are_printed(survey.tasks) else ""
        what = f"{printed} results with their records are {2 * printed} files"
        console.emit(Notice(f"{what}; {one}--pack keeps them in the folder's manifest"))


def check_model_name(survey: Survey) -> None:
    """Raise ModelError now where the only model's name can be none; one of several costs its own items alone."""
    named = {(needs.model, needs.task) for needs in survey.needs}
    if len(named) == 1:
        parse_name(*named.pop(), load_catalog())


def select_form(rows: Rows, survey: Survey, options: RunOptions, is_openai: bool) -> Form | None:
    """How all results stand in the one file that -o names; None where each has a file of its own. Raises InputError."""
    path = Path(options.output.output or "").expanduser()
    suffix = find_one_file(path, survey)
    if not is_openai and (suffix is None or not are_printed(survey.tasks)):
        return None
    if suffix is None or (is_openai and suffix != ".jsonl"):
        raise InputError("--format openai writes one file", hint="-o results.jsonl names it")
    if is_openai and survey.openai < survey.items:
        others = survey.items - survey.openai
        raise InputError(f"--format openai needs requests in that format, and {others} rows have another one")
    if suffix == ".csv" and len(survey.tasks) > 1:
        raise InputError("a table holds results of one kind", hint="-o out.jsonl takes several, -o out/ all")
    source = unwrap(rows)
    is_table = suffix == ".csv" or (isinstance(source, FileRows) and source.reading.source is not None)
    return Form(suffix, is_table, is_openai, TAB if path.suffix.lower() == ".tsv" else COMMA)


def are_printed(tasks: set[str]) -> bool:
    """Whether the results of all tasks are printed."""
    return all(find_content(task).printed for task in tasks)


def open_file(form: Form, survey: Survey, options: RunOptions) -> Writer:
    """What writes the one file. Raises OutputError, InputError."""
    if options.batch.shard or options.batch.pack:
        what = "--shard" if options.batch.shard else "--pack"
        raise InputError(f"{what} needs a folder to fill, and -o names one file", hint="-o out/")
    with_data = form.is_openai and not are_printed(survey.tasks)
    writer = OneFile(Path(str(options.output.output)).expanduser(), with_data=with_data)
    writer.check()
    return writer


def select_signer(survey: Survey, named: str | None, options: RunOptions) -> Signer | None:
    """What signs the files, where the user names a certificate and its key. Raises InputError."""
    certificate, key = options.output.c2pa_cert, options.output.c2pa_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise InputError("--c2pa-cert and --c2pa-key go together")
    usual = {named or find_content(task).suffixes[0] for task in survey.tasks}
    suffixes = {suffix for suffix in survey.suffixes if suffix} | (usual if None in survey.suffixes else set())
    for suffix in suffixes:
        if suffix not in SIGNED_TYPES:
            raise InputError(f"a {suffix} file cannot be signed", hint=f"one of {', '.join(SIGNED_TYPES)}")
    return load_signer(certificate, key)


def select_writer(destination: Destination | None, rows: Rows, survey: Survey, options: RunOptions) -> Writer | None:
    """What writes the files; a folder named for prompts from a file is a batch's. Raises OutputError, InputError."""
    shard, packs = options.batch.shard, options.batch.pack
    resumes = is_batch(rows) or all(find_modality(task).resumes for task in survey.tasks)
    fills = options.output.output is not None and destination is not None and resumes
    writer: Writer | None
    if destination is None or destination.overwrite or not fills:
        if shard or options.batch.retry_failed or packs:
            what = "--shard, --retry-failed and --pack need prompts from a file and a folder to fill"
            raise InputError(what, hint="-o out/")
        writer = Writer(destination) if destination else None
    else:
        writer = BatchFolder(destination, parse_shard(shard) if shard else None, packs)
    if writer:
        writer.check()
    return writer


def refuse_bad_rows(survey: Survey, options: RunOptions, console: Console) -> None:
    """Raise InputError where rows are bad, the first of them named, unless they are to be skipped."""
    skips = options.batch.skip_bad
    if survey.bad == 1 and not skips:
        error = survey.first_bad[0]
        raise InputError(error.message, error.hint or ("--skip-bad skips it" if survey.items else None))
    if survey.bad:
        for error in survey.first_bad:
            console.fail(error)
        if not skips:
            rows = survey.items + survey.bad
            raise InputError(f"{survey.bad} of {rows} rows are bad; nothing was made", hint="--skip-bad skips them")
        console.emit(Notice(f"{survey.bad} bad row{'s' * (survey.bad != 1)} skipped"))
    if not survey.items:
        raise InputError("all rows are bad" if survey.bad else "the file holds no prompts")


def select_destination(tasks: set[str], options: RunOptions, items: int) -> Destination | None:
    """Where files go: None where there are none (`-o -`; labels without -o). Raises InputError."""
    output = options.output.output
    suffixes = tuple(dict.fromkeys(suffix for task in sorted(tasks) for suffix in find_content(task).suffixes))
    suffixes += (*FILE_TYPES, *list_wholes(tasks)) if are_printed(tasks) else ()
    if output == TO_STDOUT:
        if options.messages.json and not are_printed(tasks):
            raise InputError("-o - and --json both want stdout", hint="give one of them")
        if not are_printed(tasks) and sys.stdout.isatty():
            what = "-o - would write the bytes of a file to the terminal"
            raise InputError(what, hint="-o NAME writes a file; or pipe the bytes to a program")
        if items > 1 and not are_printed(tasks):
            raise InputError(f"-o - writes one file and there are {items} results", hint="-o out/ names a folder")
        return None
    if output is None and not any(find_content(task).written for task in tasks):
        return None
    destination = parse_destination(output, suffixes, items)
    fits = all(destination.suffix in (None, *find_content(task).suffixes) for task in tasks)
    if not fits:
        raise InputError(f"{destination.suffix} does not suit all of {', '.join(sorted(tasks))}", hint="-o out/")
    return destination


def run_orders(
    orders: Orders,
    settings: RunSettings,
    todo: Todo,
    form: Form | None,
    options: RunOptions,
    console: Console,
) -> int:
    """Run the orders, show each result, and return the exit code."""
    report, messages = todo.report, options.messages
    sheet = SheetMaker.choose(options.sheet, orders.survey.items)
    in_order = RowOrder(orders, todo, holds=not (messages.json or form))
    try:
        for finished in tell_failures(run(orders, settings, todo, console.emit), console):
            if sheet is not None:
                sheet.take(finished)
            show_all(in_order.take(finished), form, messages.json, console)
            if console.counts:
                console.show_count(report.done + report.failed, report.left, report.text())
        show_all(in_order.rest(), form, messages.json, console)
    except (KeyboardInterrupt, Terminated, GenaiError) as error:
        show_all(in_order.rest(), form, messages.json, console)
        if console.counts and todo.writer and not isinstance(error, GenaiError):
            is_one = len(orders.survey.needs) == 1
            tell_rest(report.all_done if is_one else count_done(orders, todo, todo.writer), report, console)
        raise
    if form and isinstance(todo.writer, OneFile):
        if place_results(orders, todo.references, todo.writer, form):
            if not messages.json:
                console.result(str(todo.writer.path))
        elif report.left and not messages.quiet:
            tell_rest(report.all_done, report, console)
    if sheet is not None:
        sheet.write(orders, todo, console)
    end_run(report, messages, console)
    return report.exit_code()


def end_run(report: Report, messages: MessageOptions, console: Console) -> None:
    """Open what is to be opened, and say how a batch ended."""
    if console.previewer is not None:
        console.previewer.finish()
    if console.listeners is not None:
        console.listeners.end()
    if console.viewer is not None:
        console.viewer.open_all()
    if console.counts and not messages.quiet:
        console.tell(report.text())


def tell_rest(done: int, report: Report, console: Console) -> None:
    """Say how far a batch came, and how it goes on."""
    console.tell(f"{done}/{report.items} done; run the same command to resume")


def count_done(orders: Orders, todo: Todo, writer: Writer) -> int:
    """How many items are done, those of models that this run did not come to included."""
    return sum(writer.is_finished(job.key) == "done" for job in list_jobs(orders, todo.references, writer))


def tell_failures(results: Iterable[Finished], console: Console) -> Iterator[Finished]:
    """The same, with the error of each that failed on stderr."""
    for finished in results:
        if finished.error:
            console.fail(finished.error)
        yield finished


def show_all(results: Iterable[Finished], form: Form | None, as_json: bool, console: Console) -> None:
    """Show the ends of several jobs."""
    for finished in results:
        show(finished, form, as_json, console)


def show(finished: Finished, form: Form | None, as_json: bool, console: Console) -> None:
    """Show one job's end on stdout; what goes into one file is shown when it is written."""
    if as_json:
        console.line(to_json(finished.line()))
        return
    if finished.error or form:
        return
    request = finished.job.request
    modality = find_modality(request.task)
    if console.streams_text:
        if console.has_streamed:  # of silence there is no text
            console.result("")
    elif console.shows_paths:
        if finished.file is not None:  # None: it stands in the manifest
            console.result(str(finished.file))
    elif modality.content.printed:
        if modality.streams and modality.content.apart and console.items > 1:
            console.separate()
        lines = list(modality.content.lines(finished.record, request.title if console.items > 1 else None))
        if lines:  # none where nothing was found
            console.result("\n".join(lines))
    elif finished.file is not None:
        console.result(str(finished.file))
    elif console.listeners is None or not console.listeners.has_written:
        console.write_bytes(finished.data)
    show_more(finished, modality.content, console)


def show_more(finished: Finished, content: type[Content], console: Console) -> None:
    """What comes below a result: what else its record holds, where its file is, and what the file shows."""
    if not console.shows_paths:
        for line in content.details(finished.record):
            console.line(line)
    if content.printed and finished.file and console.names_files:
        name_file(finished.file, console)
    if finished.file is not None and console.viewer is not None:
        console.viewer.view(finished.file)


def name_file(file: Path, console: Console) -> None:
    """Say where a text is that stdout shows; of several, that there are files at all."""
    several = "each text is in a file in this folder, too; -o - only prints"
    console.emit(Notice(several, once=True) if console.items > 1 else Notice(f"written to {file}; -o - only prints"))
