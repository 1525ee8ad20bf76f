"""`--preview`, `--preview-file`, `--steps-sheet`: pictures as they form, in the terminal, in a file, and as a strip."""

import io
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.atomic import make_process_tag, replace_file
from genai_cli.cli.console import Console
from genai_cli.cli.screen.terminal import BLOCKS, Screen
from genai_cli.errors import InputError
from genai_cli.events import Notice, Preview
from genai_cli.request.option import OUTPUT, Option
from genai_cli.store.writer import make_write_error

if TYPE_CHECKING:
    from PIL.Image import Image

ROWS = 20  # of a preview in the terminal, at most
PREVIEW = "preview"  # the field of a request


@dataclass(frozen=True, kw_only=True)
class PreviewOptions:
    """Where a picture that forms is kept."""

    heading: ClassVar[str] = OUTPUT

    preview_file: Annotated[
        Path | None,
        Option("--preview-file", metavar="FILE", help="Keep the newest preview in this PNG.", needs="previews"),
    ] = None
    steps_sheet: Annotated[
        Path | None,
        Option(
            "--steps-sheet",
            metavar="FILE",
            help="Keep a picture every few steps as one strip: .png, .jpg or .pdf.",
            needs="previews",
        ),
    ] = None

    @property
    def keeps(self) -> bool:
        """Whether previews are wanted, whatever the terminal shows."""
        return self.preview_file is not None or self.steps_sheet is not None


@dataclass
class Previewer:
    """Takes previews as they come."""

    options: PreviewOptions
    console: Console
    screen: Screen | None
    """Where they are drawn; None: nowhere."""
    strips: list[list[Preview]] = field(default_factory=list)
    """The previews of each picture, where they are kept."""
    last_step: int = 0

    @classmethod
    def choose(cls, options: PreviewOptions, asked: bool, console: Console) -> "Previewer | None":
        """What takes previews; None where nobody wants any. Raises InputError for a file that cannot be one."""
        from genai_cli.gallery.sheet import choose_format

        if options.steps_sheet is not None:
            choose_format(options.steps_sheet)
        if options.preview_file is not None and options.preview_file.suffix.lower() != ".png":
            raise InputError(f"--preview-file {options.preview_file} is no PNG", hint="a name that ends in .png")
        kind = os.environ.get("TERM", "")
        is_drawn = asked and sys.stderr.isatty() and not console.quiet and kind not in ("", "dumb")
        size = shutil.get_terminal_size()
        true_colour = os.environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
        screen = Screen(BLOCKS, size.columns, min(size.lines, ROWS), true_colour=true_colour) if is_drawn else None
        return cls(options, console, screen) if is_drawn or options.keeps else None

    def take(self, preview: Preview) -> None:
        """Draw a preview, and keep it where that is asked for. Raises OutputError."""
        from genai_cli.cli.screen.drawing import draw_blocks

        image = read_image(preview)
        if self.screen is not None:
            self.console.draw_preview(draw_blocks(image, self.screen))
        if self.options.preview_file is not None:
            stream = io.BytesIO()
            image.save(stream, "PNG")
            write(self.options.preview_file.expanduser(), stream.getvalue())
        if self.options.steps_sheet is not None:
            if preview.step <= self.last_step or not self.strips:
                self.strips.append([])
            self.strips[-1].append(preview)
        self.last_step = preview.step

    def finish(self) -> None:
        """Write the strip of steps. Raises OutputError."""
        from genai_cli.gallery.sheet import encode_sheet
        from genai_cli.gallery.steps import draw_steps

        file = self.options.steps_sheet
        if file is None:
            return
        if not self.strips:
            self.console.emit(Notice("--steps-sheet: this model gives no previews"))
            return
        strips = [[(f"step {one.step} of {one.total}", read_image(one)) for one in strip] for strip in self.strips]
        write(file.expanduser(), encode_sheet(draw_steps(strips), file))
        self.console.emit(Notice(f"the steps are in {file}"))


def read_image(preview: Preview) -> "Image":
    """A preview as a picture."""
    from PIL import Image

    return Image.frombytes("RGB", (preview.width, preview.height), preview.pixels)


def write(file: Path, data: bytes) -> None:
    """Write a file in one step. Raises OutputError."""
    try:
        replace_file(file, data, make_process_tag())
    except OSError as error:
        raise make_write_error(file, error) from error
