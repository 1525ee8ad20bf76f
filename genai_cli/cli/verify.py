"""genai rerun --verify: whether a file is as it was made, and whether this machine makes the same result."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from genai_cli.cli.console import Console
from genai_cli.cli.run import RunOptions, find_content
from genai_cli.content.content import Content
from genai_cli.content.record import Record, choose_mark
from genai_cli.errors import ChangedError, GenaiError, InputError, ResultError
from genai_cli.events import Notice, ignore
from genai_cli.harmless import one_line
from genai_cli.hub.address import is_address
from genai_cli.modality.registry import find_modality, list_requests
from genai_cli.request.input import Input
from genai_cli.request.rows import Row
from genai_cli.work.orders import Defaults, Orders
from genai_cli.work.report import Report
from genai_cli.work.runner import Todo, run

# What may make the same request give another result.
HOW = ("device", "dtype", "compiled", "compiler", "vae_dtype", "memory")
COMPARED = (*HOW, "model", "server", "libraries", "parameters", "genai")
PROMISE = "the same result shows that it answers as before, another one does not show what changed"


@dataclass(frozen=True)
class Copy:
    """A file to make again, its record, and the request that this describes."""

    file: Path
    record: Record
    row: Row

    def open(self) -> Input | None:
        """The file that holds the content; of a record in a file of its own, the one beside it, None where it is gone.

        Raises InputError where it cannot be read.
        """
        named = self.file.with_suffix("")
        holds_record = self.file.suffix == ".json" and named.suffix in find_content(self.record["task"]).suffixes
        file = named if holds_record else self.file
        return None if holds_record and not file.is_file() else Input.read(file, file.name)


def verify_copies(copies: list[list[Copy]], options: RunOptions) -> int:
    """Look whether each file is as it was made; then make each row once, and compare. Returns the exit code."""
    console = options.make_console(sum(map(len, copies)))
    report = Report(console.items)
    whole = [kept for several in copies if (kept := drop_changed(several, console, report))]
    if not whole:
        return report.exit_code()
    orders = Orders([several[0].row for several in whole], Defaults(list_requests(), {}))
    if orders.survey.first_bad:
        raise orders.survey.first_bad[0]
    settings = options.make_settings(orders.survey)
    if options.batch.dry_run:
        models = ", ".join(sorted({needs.model for needs in orders.survey.needs}))
        results = f"{len(whole)} result{'s' * (len(whole) != 1)}"
        console.emit(Notice(f"would make {results} with {models} and compare; nothing was loaded or written"))
        return report.exit_code()
    if any(is_address(needs.model) for needs in orders.survey.needs):
        console.emit(Notice(f"of a server's model no weights are known: {PROMISE}"))
    todo = Todo(None, False, Report(len(whole)))
    with closing(console):
        for finished in run(orders, settings, todo, console.emit):
            for copy in whole[finished.job.index]:
                error = finished.error or compare(copy, finished.record, finished.data)
                if error is None:
                    console.line(f"{one_line(str(copy.file))}: the same")
                else:
                    console.fail(error)
                report.take(error)
    return report.exit_code()


def drop_changed(copies: list[Copy], console: Console, report: Report) -> list[Copy]:
    """The copies without those whose file was changed since it was made, as far as its type tells; those are said."""
    kept = []
    for copy in copies:
        content = find_content(copy.record["task"])
        error: GenaiError | None = None
        try:
            source = copy.open()
            if source and content.keeps(source) and not holds(content.read(source, ignore), copy.record):
                error = ChangedError(
                    f"{copy.file}: the file was changed since it was made",
                    hint="its content does not have the hash that its record states",
                )
        except InputError as failure:
            error = failure
        if error is None:
            kept.append(copy)
        else:
            console.fail(error)
            report.take(error)
    return kept


def holds(content: Content, record: Record) -> bool:
    """Whether a content is the one that a record was written for."""
    return content.is_written_as(str(record.get("content_sha256")))


def compare(copy: Copy, record: Record, data: bytes) -> GenaiError | None:
    """What is wrong with a file, against the record and the bytes of the result made now; None where it is the same."""
    if record["content_sha256"] != copy.record.get("content_sha256"):
        who = "the server" if "server" in record else "this machine"
        return ResultError(f"{copy.file}: {who} makes another result", hint=list_differences(copy.record, record))
    modality = find_modality(record["task"])
    source = copy.open()
    if source is None or modality.content.keeps(source):
        return None
    # A lossy file can be compared with what this version writes for the same result, and with nothing else.
    made = modality.content.read(Input.hold(data, "the result"), ignore)
    suffix = copy.file.suffix.lower()
    written = Input.hold(made.encode(copy.record, suffix, choose_mark(modality.mark, copy.record)), "the result")
    expected = modality.content.read(written, ignore)
    if modality.content.read(source, ignore).sha256() == expected.sha256():
        return None
    return ChangedError(
        f"{copy.file}: the result is the same, and the file holds something else than is written for it now",
        hint=f"it was changed since it was made, or written by another version; {suffix} does not tell which",
    )


def list_differences(old: Record, new: Record) -> str:
    """What differs between two records in what may change a result."""
    found = []
    for name in COMPARED:
        before, after = old.get(name), new.get(name)
        pairs: dict[str, tuple[object, object]] = {name: (before, after)}
        if isinstance(before, dict) and isinstance(after, dict):
            pairs = {f"{name}.{key}": (before.get(key), after.get(key)) for key in {**before, **after}}
        found += [f"{key} was {one} and is {other}" for key, (one, other) in pairs.items() if one != other]
    if not found and "server" in new:
        return "it names the same model; its weights, settings and load are not known"
    return "; ".join(found) or "device, dtype, model and libraries are the same; the processor may differ"
