"""What a person and a pipe see: results on stdout, all else on stderr."""

import shutil
import sys
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from genai_cli.errors import GenaiError
from genai_cli.events import Detail, Event, Notice, Preview, Progress, SoundPiece, Stage, TextPiece
from genai_cli.harmless import one_line, shorten, show_controls
from genai_cli.sizes import show_bytes

if TYPE_CHECKING:
    from typer._click._termui_impl import ProgressBar

    from genai_cli.cli.screen.previewing import Previewer
    from genai_cli.cli.screen.sound_stream import Listeners
    from genai_cli.cli.screen.viewer import Viewer

CLEAR_LINE = "\r\x1b[2K"  # ECMA-48: back to the first column, erase the line
ERASE_ROWS = "\r\x1b[{}A\x1b[J"  # so many rows up, erase from there
SHOW_CURSOR = "\x1b[?25h"  # the bar hides it
CLUTTER = 24  # columns of a bar's line beside label and bar: brackets, percent, and the time left
NARROWEST, WIDEST = 8, 30  # columns of a bar
RULE = "-" * 40  # between texts on a terminal


class Console:
    """Prints one command's results, notices, details and progress, also from several threads at once."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False, debug: bool = False, items: int = 1) -> None:
        self.quiet = quiet
        self.verbose = verbose
        self.debug = debug
        self.items = items
        self.end = "\n"
        """What ends a result on stdout."""
        self.streams_text = False
        self.has_streamed = False
        self.is_line_open = self.is_line_broken = False
        """Whether anything of a text was shown as it was made."""
        self.shows_paths = False
        """Whether a text or label that has a file is shown by its path."""
        self.names_files = False
        """Whether a notice says where the file of a result is that stdout shows."""
        self.viewer: Viewer | None = None
        """What shows pictures and sounds in the terminal, plays and opens them."""
        self.previewer: Previewer | None = None
        self.listeners: Listeners | None = None
        """Who hears a sound while it is made."""
        self.preview_rows = 0
        """How many rows above the last one the preview takes that is shown."""
        self.has_results = False
        self.counts = False
        """Whether the bar counts items, so that their single steps are not shown."""
        self.lock = threading.RLock()
        """Held while something is shown, so that a line and the bar do not run into each other."""
        self.said: set[str] = set()
        self.started = self.last_told = time.monotonic()
        self.bar: ProgressBar[int] | None = None
        self.bar_label = ""
        self.bar_opened = 0.0
        self.stage = ""
        self.passed = 0
        """How many items the bars have counted through."""
        self.last_failure: GenaiError | None = None

    def emit(self, event: Event) -> None:
        """Show one event."""
        with self.lock:
            if isinstance(event, TextPiece | SoundPiece):
                self.take_piece(event)
            elif isinstance(event, Progress):
                if not self.counts or not event.items or event.unit == "seconds":
                    self.show_progress(event)
            elif isinstance(event, Preview):
                if self.previewer is not None:
                    self.previewer.take(event)
            elif isinstance(event, Stage):
                self.show_stage(event.text)
            elif isinstance(event, Detail):
                if self.verbose and not self.quiet:
                    self.tell(event.text)
            elif isinstance(event, Notice) and not self.quiet and event.text not in self.said:
                self.tell(event.text)
                if event.once:
                    self.said.add(event.text)

    def take_piece(self, piece: TextPiece | SoundPiece) -> None:
        """A piece of a result as it is made."""
        if isinstance(piece, SoundPiece):
            if self.listeners is not None:
                self.clear_bar()
                self.listeners.take(piece)
        elif self.streams_text and piece.text:
            self.has_streamed = True
            self.close()  # a bar drawn again would erase the text before it
            self.write(piece.text)

    def tell(self, text: str) -> None:
        """One line on stderr."""
        with self.lock:
            stage = self.stage
            self.clear_bar()
            tell(text)
            self.show_stage(stage)

    def fail(self, error: GenaiError) -> None:
        """The error's line on stderr, and its hint's; once where many items share it."""
        with self.lock:
            if error is self.last_failure:
                return
            self.last_failure = error
            self.clear_bar()
            if self.debug:
                print_traceback(error)
            print_error(error.message, error.hint)

    def line(self, text: str) -> None:
        """One line of results."""
        with self.lock:
            self.write(text, "\n")

    def result(self, text: str) -> None:
        """One result that is text, or the path of one: a line, or with --null what a NUL ends."""
        with self.lock:
            self.write(text, self.end)
            self.has_results = True

    def separate(self) -> None:
        """Tell a text of several lines from the one before it; in a pipe nothing but results is written."""
        if self.has_results and sys.stdout.isatty() and self.end == "\n":
            self.line(f"\n{RULE}")

    def write(self, text: str, end: str = "") -> None:
        """Text to stdout: exact to a pipe or file, harmless to a terminal."""
        self.clear_bar()
        shown = (show_controls(text) if sys.stdout.isatty() else text) + end
        if self.is_line_broken:
            shown = shown.removeprefix("\n")
        self.is_line_open, self.is_line_broken = bool(shown) and not shown.endswith("\n"), False
        try:
            sys.stdout.write(shown)
        except UnicodeEncodeError:  # a name that is not UTF-8, half of a character in a record, a terminal of 1990
            encoding = sys.stdout.encoding
            sys.stdout.write(shown.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()

    def break_line(self) -> None:
        """End a line of streamed text on a terminal, where a bar would erase it; the next piece may end it itself."""
        if self.is_line_open and sys.stdout.isatty():
            sys.stdout.write("\n")
            sys.stdout.flush()
            self.is_line_open, self.is_line_broken = False, True

    def draw(self, drawn: str) -> None:
        """What drives the terminal: genai made it itself, from pixels."""
        with self.lock:
            self.clear_bar()
            sys.stdout.write(drawn)
            sys.stdout.flush()

    def write_bytes(self, data: bytes) -> None:
        """An artifact to stdout."""
        sys.stdout.buffer.write(data)
        sys.stdout.flush()

    def draw_preview(self, drawn: str) -> None:
        """A picture that forms, in the place of the one before; it goes when a line is shown."""
        with self.lock:
            self.clear_bar()
            sys.stderr.write(drawn)
            sys.stderr.flush()
            self.preview_rows = drawn.count("\n")

    def erase_preview(self) -> None:
        """Erase the preview, and what is below it."""
        if self.preview_rows:
            sys.stderr.write(ERASE_ROWS.format(self.preview_rows))
            sys.stderr.flush()
            self.preview_rows = 0

    def close(self) -> None:
        """Leave the terminal as it was."""
        self.erase_preview()
        self.clear_stage()
        self.close_bar()

    def show_stage(self, text: str) -> None:
        """Say what is being done, on a terminal only, in a line that goes when something else is shown."""
        if text and sys.stderr.isatty() and not self.quiet and self.bar is None:
            self.clear_stage()
            self.stage = text
            sys.stderr.write(shorten(one_line(text), read_columns() - 1))
            sys.stderr.flush()

    def clear_stage(self) -> None:
        """Erase that line."""
        if self.stage:
            self.stage = ""
            sys.stderr.write(CLEAR_LINE)
            sys.stderr.flush()

    def show_count(self, ended: int, left: int, counts: str) -> None:
        """How far a batch is: always on a terminal, elsewhere once a minute."""
        now = time.monotonic()
        pace = ended / max(now - self.started, 1e-3)
        wait = timedelta(seconds=round(left / pace))
        line = f"{counts}; {pace * 60:.0f} a minute, {wait} to go"
        if sys.stderr.isatty() and not self.quiet:
            self.show_progress(Progress("batch", ended, ended + left), line)
        elif now - self.last_told >= 60 and left:
            self.last_told = now
            self.emit(Notice(line))

    def show_progress(self, event: Progress, words: str | None = None) -> None:
        """Advance the bar; there is one on a terminal only."""
        with self.lock:
            if self.quiet or not sys.stderr.isatty():
                return
            self.break_line()
            bar = self.bar
            if bar is None or self.bar_label != event.label or event.done < bar.pos:
                if event.done >= event.total:
                    return
                bar = self.open_bar(event)
            room = read_columns() - CLUTTER
            bar.label = shorten(words, room) if words else self.describe(event, room - NARROWEST)
            bar.width = max(0, min(WIDEST, room - len(bar.label)))
            bar.length = event.total
            bar.update(event.done - bar.pos)
            if event.done >= event.total:
                self.passed += event.items
                self.close_bar()

    def open_bar(self, event: Progress) -> "ProgressBar[int]":
        """Begin a bar for a new piece of work."""
        import typer

        self.clear_stage()
        self.close_bar()
        bar: ProgressBar[int] = typer.progressbar(
            length=event.total,
            file=sys.stderr,
            show_eta=not self.counts or event.unit == "seconds",
            update_min_steps=0,
        )
        self.bar, self.bar_label, self.bar_opened = bar, event.label, time.monotonic()
        return bar

    def describe(self, event: Progress, columns: int) -> str:
        """What is counted and how far it is: `picture 2 of 3, step 9 of 20`; bytes with their pace."""
        label = one_line(event.label)
        if not event.items:
            pace = event.done / max(time.monotonic() - self.bar_opened, 1e-3)
            sizes = f"  {show_bytes(event.done)} of {show_bytes(event.total)}, {show_bytes(round(pace))}/s"
            return shorten(label.rpartition("/")[2], columns - len(sizes)) + sizes
        if event.unit == "seconds":
            return shorten(f"{label}, {show_minutes(event.done)} of {show_minutes(event.total)}", columns)
        first, last = self.passed + 1, self.passed + event.items
        which = f" {first}" if event.items == 1 else f"s {first} to {last}"
        name = f"{label}{which} of {self.items}" if self.items > 1 else label
        return shorten(f"{name}, step {event.done} of {event.total}", columns)

    def clear_bar(self) -> None:
        """Make room for a line where the bar stands; the bar's next step draws it again below."""
        self.clear_stage()
        if self.bar is not None:
            sys.stderr.write(CLEAR_LINE)
            sys.stderr.flush()
        self.erase_preview()

    def close_bar(self) -> None:
        """Erase the bar, if there is one."""
        if self.bar is not None:
            self.bar = None
            sys.stderr.write(CLEAR_LINE + SHOW_CURSOR)
            sys.stderr.flush()


def show_minutes(seconds: int) -> str:
    """Seconds as minutes and seconds: `61:05 min`."""
    return f"{seconds // 60}:{seconds % 60:02} min"


def read_columns() -> int:
    """How wide the terminal is."""
    return shutil.get_terminal_size().columns


def tell(text: str) -> None:
    """One line on stderr."""
    print(f"genai: {one_line(text)}", file=sys.stderr, flush=True)


def print_error(message: str, hint: str | None = None) -> None:
    """`genai: error: ...` on one line of stderr, and `hint: ...` on the next."""
    print(f"genai: error: {one_line(message)}", file=sys.stderr)
    if hint:
        print(f"hint: {one_line(hint)}", file=sys.stderr, flush=True)


def print_traceback(error: BaseException) -> None:
    """Where an error comes from; its messages may quote a model's files, so nothing in them drives a terminal."""
    import traceback

    print(show_controls("".join(traceback.format_exception(error))), end="", file=sys.stderr, flush=True)
