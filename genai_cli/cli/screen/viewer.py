"""Results where they are made: a picture, or a sound's waveform and spectrogram, in the terminal; played; opened."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from genai_cli.cli.console import Console
from genai_cli.errors import GenaiError
from genai_cli.events import Notice, ignore
from genai_cli.gallery.item import PICTURE, SOUND, Item
from genai_cli.request.input import Input
from genai_cli.request.option import OUTPUT, Option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genai_cli.cli.screen.terminal import Screen

UNASKED = 4  # results that are shown without being asked for
BARS = " ▁▂▃▄▅▆▇█"
WIDEST = 100  # columns of a sound
SPECTRUM = 16  # pixels of a spectrogram's height: two in a row
# From quiet to loud: black, violet, orange, white; the points of a scale that grows evenly in brightness.
COLOURS = ((0, 0, 0), (84, 20, 110), (220, 80, 60), (250, 190, 60), (255, 255, 230))


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """How a result is shown, beside its path."""

    heading: ClassVar[str] = OUTPUT

    show: Annotated[
        bool | None,
        Option(
            "--show/--no-show",
            help="Show pictures and sounds in the terminal.",
            default=f"up to {UNASKED} results on a terminal in colour",
            needs="visible",
        ),
    ] = None
    play: Annotated[bool, Option("--play", help="Play sounds.", needs="audible")] = False
    open: Annotated[bool, Option("--open", help="Open files in the desktop's program.", needs="visible")] = False


@dataclass
class Viewer:
    """Shows files as the options say."""

    options: ViewOptions
    console: Console
    is_shown: bool
    """Whether pictures and sounds are shown in the terminal."""
    screen: "Screen | None" = None
    was_asked: bool = False
    opened: list[Path] = field(default_factory=list)

    @classmethod
    def choose(cls, options: ViewOptions, console: Console, items: int, is_batch: bool) -> "Viewer | None":
        """What shows the results of a command; None where nothing is to be shown."""
        unasked = options.show is None and items <= UNASKED and not is_batch and not console.quiet
        is_shown = (options.show or unasked) and sys.stdout.isatty()
        if options.show and not is_shown:
            console.emit(Notice("--show shows nothing: stdout is not a terminal"))
        return cls(options, console, bool(is_shown)) if is_shown or options.play or options.open else None

    def view(self, file: Path) -> None:
        """Show, play and open a file. What fails is said, and changes nothing: the file is there."""
        try:
            if self.is_shown:
                self.draw(file)
            listeners = self.console.listeners
            if self.options.play and not (listeners and listeners.has_played):
                self.play(file)
        except (GenaiError, OSError) as error:
            self.console.emit(Notice(str(error)))
        self.opened += [file] if self.options.open else []

    def open_all(self) -> None:
        """Open the files in the desktop's program, all at once at the end."""
        from genai_cli.cli.desktop import open_files

        if self.opened:
            try:
                open_files(self.opened)
            except GenaiError as error:
                self.console.emit(Notice(f"{error.message}; {error.hint}"))

    def draw(self, file: Path) -> None:
        """Show a picture or a sound in the terminal, if it can. Raises InputError, OSError."""
        kind = Item({}, file).kind
        if kind not in (PICTURE, SOUND):
            return
        if not self.was_asked:
            from genai_cli.cli.screen.terminal import find_screen

            self.was_asked, self.screen = True, find_screen()
            if self.screen is None and self.options.show:
                self.console.emit(Notice("--show shows nothing: this terminal has no colours"))
        if self.screen is not None:
            drawn = draw_file(Input.read(file, file.name), kind, self.screen)
            self.console.draw(drawn)

    def play(self, file: Path) -> None:
        """Play a sound to its end. Raises InputError."""
        if Item({}, file).kind == SOUND:
            from genai_cli.cli.screen.playing import play_file

            play_file(file)


def draw_file(source: Input, kind: str, screen: "Screen") -> str:
    """What the terminal shows of a picture or a sound. Raises InputError."""
    from genai_cli.cli.screen.drawing import draw_picture
    from genai_cli.content.picture import Picture

    if kind == PICTURE:
        return draw_picture(Picture.read(source, ignore).pixels, screen)
    return draw_sound(source, screen)


def draw_sound(source: Input, screen: "Screen") -> str:
    """A line of waveform with the length, and a small spectrogram in colour. Raises InputError."""
    from genai_cli.cli.screen.drawing import RESET, list_block_lines
    from genai_cli.content.sound import Sound
    from genai_cli.content.sound_views import draw_spectrogram, find_peaks

    sound = Sound.read(source, ignore)
    length = f" {len(sound.samples) / sound.sampling_rate:.1f} s"
    width = max(8, min(WIDEST, screen.columns - len(length) - 1))
    peaks = find_peaks(sound, width)
    loudest = max(peaks) or 1.0
    wave = "".join(BARS[round(peak / loudest * (len(BARS) - 1))] for peak in peaks)
    pixels = colour(draw_spectrogram(sound, width, SPECTRUM))
    lines = [f"{wave}{length}", *(f"{line}{RESET}" for line in list_block_lines(pixels, screen.true_colour))]
    return "\n".join(lines) + "\n"


def colour(levels: "NDArray[np.float32]") -> "NDArray[np.uint8]":
    """Levels from 0 to 1 in the colours of the scale."""
    import numpy

    points = numpy.linspace(0, 1, len(COLOURS))
    channels = [numpy.interp(levels, points, [one[channel] for one in COLOURS]) for channel in range(3)]
    return numpy.stack(channels, axis=-1).round().astype(numpy.uint8)
