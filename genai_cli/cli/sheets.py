"""`--sheet FILE`: all results of a run on one contact sheet."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, cast

from genai_cli.cli.console import Console
from genai_cli.errors import InputError
from genai_cli.events import Notice
from genai_cli.gallery.item import Item
from genai_cli.request.option import OUTPUT, Option
from genai_cli.store.batch_folder import BatchFolder
from genai_cli.store.one_file import OneFile
from genai_cli.types import JsonObject
from genai_cli.work.orders import Orders
from genai_cli.work.runner import Finished, Todo, list_jobs


@dataclass(frozen=True, kw_only=True)
class SheetOptions:
    """A picture of all results."""

    heading: ClassVar[str] = OUTPUT

    sheet: Annotated[
        Path | None,
        Option("--sheet", metavar="FILE", help="Lay out all results on a labelled contact sheet: .png, .jpg or .pdf."),
    ] = None


@dataclass
class SheetMaker:
    """Takes the results of a run, and lays them out at its end, those of earlier runs of the batch included."""

    file: Path
    ended: dict[int, Item] = field(default_factory=dict)

    @classmethod
    def choose(cls, options: SheetOptions, items: int) -> "SheetMaker | None":
        """What makes the sheet, if one is asked for. Raises InputError before anything is made."""
        if options.sheet is None:
            return None
        from genai_cli.gallery.sheet import MOST, choose_format

        choose_format(options.sheet)
        if items > MOST:
            raise InputError(f"{items} results do not fit on a sheet", hint=f"at most {MOST} do")
        return cls(options.sheet.expanduser())

    def take(self, finished: Finished) -> None:
        """Remember a result; its bytes are in its file."""
        self.ended[finished.job.index] = Item(cast(JsonObject, dict(finished.line())), finished.file, finished.status)

    def write(self, orders: Orders, todo: Todo, console: Console) -> None:
        """Write the sheet, and say where it is. Raises InputError, OutputError."""
        from genai_cli.gallery.sheet import write_sheet

        earlier = self.read_earlier(todo)
        jobs = list_jobs(orders, todo.references, todo.writer) if earlier else iter(())
        for job in jobs:
            if job.index not in self.ended and job.key in earlier:
                self.ended[job.index] = earlier[job.key]
        write_sheet([item for _, item in sorted(self.ended.items())], self.file)
        console.emit(Notice(f"the sheet is {self.file}"))

    @staticmethod
    def read_earlier(todo: Todo) -> dict[str, Item]:
        """What earlier runs made, by key."""
        from genai_cli.gallery.collecting import collect_items, make_item

        if isinstance(todo.writer, BatchFolder):
            return {item.text("key"): item for item in collect_items(todo.writer.destination.folder).items}
        if isinstance(todo.writer, OneFile):
            offsets = todo.writer.offsets.items()
            return {key: make_item(todo.writer.read_record(offset), None) for key, offset in offsets}
        return {}
