"""Several sounds on their way through a model: their windows go together, and each sound keeps its own order."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Protocol

from genai_cli.content.segments import Segment
from genai_cli.content.sound_reading import open_sound
from genai_cli.errors import GenaiError
from genai_cli.events import Emit, Notice, Progress, TextPiece
from genai_cli.modality.hearing.hearer import Hearer, Said, Wish
from genai_cli.modality.hearing.kept_parts import KeptParts
from genai_cli.modality.hearing.voice import RATE, Heard, watch
from genai_cli.modality.hearing.windows import Window, cut_windows, one_each
from genai_cli.request.input import Input

MOST_RESTS = 20  # times that one window is taken up again


class Asked(Protocol):
    """What is asked of a sound."""

    @property
    def sound(self) -> Input:
        """The sound."""

    @property
    def vad(self) -> bool:
        """Whether only speech is heard."""


class Listening:
    """One sound: the windows that are left to hear, and what was heard in the others."""

    def __init__(self, asked: Asked, wish: Wish, hearer: Hearer, parts: KeptParts, say: Emit) -> None:
        """Open the sound. Raises InputError."""
        self.asked = asked
        self.wish = replace(wish, language=wish.language or parts.language)
        self.parts = parts
        self.say = say
        self.opened = ExitStack()
        self.stream = self.opened.enter_context(open_sound(asked.sound, RATE))
        self.seconds = self.stream.shape.seconds
        self.reached = 0.0
        """Up to where the sound was read, in seconds."""
        self.kept = 0.0
        """Up to where it was heard."""
        self.rests: deque[tuple[Window, int]] = deque()
        self.collected: dict[int, list[Segment]] = {}
        self.told = 0
        self.text_begun = False
        self.shows = True
        """Whether the text is shown as it is known."""
        self.is_read = False
        self.error: GenaiError | None = None
        heard = self.follow(watch(self.stream.pieces, detect=asked.vad))
        self.windows: Iterator[Window] = (cut_windows if hearer.packs else one_each)(heard, hearer.length)

    def follow(self, parts: Iterator[Heard]) -> Iterator[Heard]:
        """The parts of the sound as they are read."""
        for part in parts:
            self.reached = part.start + len(part.samples) / RATE
            yield part

    def take(self) -> tuple[Window, int] | None:
        """The next window that is left to hear, and how often it was taken up; None where there is none now."""
        if self.rests:
            return self.rests.popleft()
        if self.is_read or self.error:
            return None
        try:
            for window in self.windows:
                if window.index not in self.parts.windows:
                    return window, 0
                self.kept = max(self.kept, window.end)
                self.tell()
        except GenaiError as error:
            self.error = error
        self.is_read = True
        self.opened.close()
        return None

    def add(self, window: Window, times: int, said: Said) -> None:
        """Take what was heard in a window."""
        held = self.collected.setdefault(window.index, [])
        held += said.segments
        if said.rest is not None and times < MOST_RESTS:
            self.rests.append((said.rest, times + 1))
            return
        self.parts.add(window.index, tuple(self.collected.pop(window.index)), self.wish.language)
        self.kept = max(self.kept, window.end)
        self.tell()

    def tell(self) -> None:
        """Show the text of the windows that were heard, in their order."""
        while self.told in self.parts.windows:
            for segment in self.parts.windows[self.told]:
                if self.shows and (text := " ".join(segment.text.split())):
                    self.say(TextPiece(f"\n{text}" if self.text_begun else text))
                    self.text_begun = True
            self.told += 1

    def measure(self) -> float:
        """How many seconds of the sound are done, as far as is known."""
        return self.seconds if self.is_read and not self.rests and self.seconds else self.kept

    def list_segments(self) -> list[Segment]:
        """All segments in their order."""
        return [segment for index in sorted(self.parts.windows) for segment in self.parts.windows[index]]


def listen(hearer: Hearer, sounds: Sequence[Listening], label: str, emit: Emit) -> None:
    """Hear all sounds; their errors are theirs. What is interrupted is kept, which is said."""
    total = sum(one.seconds or 0 for one in sounds)
    try:
        while group := take_group(hearer, sounds):
            find_languages(hearer, group)
            wishes = [replace(one.wish, seed=window.index) for one, window, _ in group]
            said = hearer.hear([window for _, window, _ in group], wishes, emit)
            for (one, window, times), part in zip(group, said, strict=True):
                one.add(window, times, part)
            done = sum(one.measure() for one in sounds)
            if total:
                emit(Progress(label, min(int(done), int(total) - 1), int(total), len(sounds), "seconds"))
    except BaseException:
        kept = sum(one.kept for one in sounds)
        if kept and total:
            emit(Notice(f"{clock(kept)} of {clock(total)} are kept; the same command goes on there", once=True))
        raise
    finally:
        for one in sounds:
            one.opened.close()
    if total >= 1:
        emit(Progress(label, int(total), int(total), len(sounds), "seconds"))


def take_group(hearer: Hearer, sounds: Sequence[Listening]) -> list[tuple[Listening, Window, int]]:
    """The next windows, of the first sounds first."""
    group: list[tuple[Listening, Window, int]] = []
    most = hearer.choose_group(sounds[0].wish)
    for one in sounds:
        while len(group) < most and (taken := one.take()):
            group.append((one, *taken))
    return group


def find_languages(hearer: Hearer, group: Sequence[tuple[Listening, Window, int]]) -> None:
    """Find the languages of sounds that begin: each has that of its first window."""
    if all(one.wish.language for one, _, _ in group):
        return
    languages = hearer.prepare([window for _, window, _ in group], [one.wish for one, _, _ in group])
    for (one, _, _), language in zip(group, languages, strict=True):
        if one.wish.language is not None:
            continue
        one.wish = replace(one.wish, language=language)
        if language is not None:
            what = f"{one.asked.sound.name}: the language is {name_language(language)}"
            one.say(Notice(f"{what}, as the model finds; --language names another"))


def name_language(code: str) -> str:
    """A language in English."""
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    return str(LANGUAGES.get(code, code)).capitalize()


def clock(seconds: float) -> str:
    """A time as minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
