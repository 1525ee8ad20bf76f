"""Segments as subtitles that can be read: short lines, at most so many, shown for long enough, cut where one pauses."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from genai_cli.content.segments import Segment, Word

SHORTEST, LONGEST = 1.0, 7.0  # seconds
PAUSE = 0.6  # seconds of silence between two words, after which a new subtitle begins
SENTENCE = re.compile(r"[.!?…。！？][\"'”’)\]]*$")
CLAUSE = re.compile(r"[,;:，、；：–—-][\"'”’)\]]*$")
# As text: to compile them takes longer than all else that a short command imports of this file.
WIDE = "[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]"
# Scripts without spaces between words: any place is as good as a word's end.
UNSPACED = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u31a0-\ua4cf\uf900-\ufaff\uff00-\uffef]"


@dataclass(frozen=True)
class Shape:
    """How wide a line may be, in columns, and how many there may be."""

    width: int = 42
    lines: int = 2


@dataclass(frozen=True)
class Subtitle:
    """Lines that are shown from one time to another, in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as a file holds them."""
        return "\n".join(self.lines)


def lay_out(segments: Sequence[Segment], shape: Shape) -> list[Subtitle]:
    """The subtitles of a transcript, in their order: they never overlap."""
    groups = [group for segment_words in gather(segments) for group in split(segment_words, shape)]
    return time_groups(merge_short(groups, shape), shape)


def gather(segments: Sequence[Segment]) -> Iterator[list[Word]]:
    """The words between pauses and ends of sentences; where a model gives none, they share their segment's time."""
    held: list[Word] = []
    for segment in segments:
        for word in segment.words or share_time(segment):
            if held and word.start - held[-1].end > PAUSE:
                yield held
                held = []
            held.append(word)
            if SENTENCE.search(word.text.strip()):
                yield held
                held = []
    if held:
        yield held


def share_time(segment: Segment) -> list[Word]:
    """The words of a segment, each with a part of its time as long as the word is."""
    texts = cut_words(segment.text)
    total = sum(map(len, texts))
    words, at = [], 0
    for text in texts:
        first, at = at, at + len(text)
        span = segment.end - segment.start
        words.append(Word(segment.start + span * first / total, segment.start + span * at / total, text))
    return words


def cut_words(text: str) -> list[str]:
    """The words of a text, each with the space before it; letters of scripts without spaces are words."""
    words = []
    for word in re.findall(r"\s*\S+", text):
        words += re.findall(rf"\s*{UNSPACED}|(?:(?!{UNSPACED}).)+", word, re.DOTALL)
    return words


@lru_cache(maxsize=4096)
def measure(text: str) -> int:
    """How many columns a text takes."""
    return len(text) + len(re.findall(WIDE, text))


def read_words(words: Iterable[Word]) -> str:
    """The text of words."""
    return " ".join("".join(word.text for word in words).split())


def split(words: list[Word], shape: Shape) -> list[list[Word]]:
    """Words as groups that fit into a subtitle each, cut where that disturbs least: at punctuation and pauses."""
    if fits(words, shape):
        return [words]
    total = sum(measure(word.text) for word in words)
    parts = max(2, -(-total // (shape.width * shape.lines)))
    best, least = 0, float("inf")
    passed = 0
    for place in range(1, len(words)):
        passed += measure(words[place - 1].text)
        share = passed / total
        nearest = min(abs(share - part / parts) for part in range(1, parts))
        before = words[place - 1].text.strip()
        gain = 0.2 if CLAUSE.search(before) else min(words[place].start - words[place - 1].end, PAUSE) * 0.4
        if nearest - gain < least and keeps_apart(words, place):
            best, least = place, nearest - gain
    if not best:  # one word alone, however many parts it has
        return [words]
    return [*split(words[:best], shape), *split(words[best:], shape)]


def keeps_apart(words: Sequence[Word], place: int) -> bool:
    """Whether a subtitle may end before this word: it does not where the two are one without a space."""
    text = words[place].text
    return text[:1].isspace() or bool(re.match(UNSPACED, text)) or bool(re.search(UNSPACED, words[place - 1].text[-1:]))


def fits(words: Sequence[Word], shape: Shape) -> bool:
    """Whether words fit into a subtitle, in room and in time."""
    is_short = words[-1].end - words[0].start <= LONGEST
    return len(words) == 1 or (is_short and len(break_lines(read_words(words), shape)) <= shape.lines)


def break_lines(text: str, shape: Shape) -> tuple[str, ...]:
    """A text as the fewest lines, about as long as each other. A word that is wider than a line has it for itself."""
    fewest = len(fill(text, shape.width))
    for width in range(max(1, measure(text) // max(1, fewest)), shape.width):
        if len(lines := fill(text, width)) <= fewest and max(map(measure, lines)) <= shape.width:
            return tuple(lines)
    return tuple(fill(text, shape.width))


def fill(text: str, width: int) -> list[str]:
    """A text as lines of at most that width."""
    lines: list[str] = []
    for word in cut_words(text):
        glued = (
            bool(lines)
            and not word[:1].isspace()
            and not re.match(UNSPACED, word)
            and not re.search(UNSPACED, lines[-1][-1:])
        )
        if lines and (glued or measure(lines[-1] + word) <= width):
            lines[-1] += word
        else:
            lines.append(word.lstrip())
    return lines or [""]


def merge_short(groups: list[list[Word]], shape: Shape) -> list[list[Word]]:
    """The groups with those joined that would be shown too shortly, where there is room."""
    merged: list[list[Word]] = []
    for group in groups:
        last = merged[-1] if merged else None
        if last is not None:
            is_near = group[0].start - last[-1].end < PAUSE
            is_short = min(last[-1].end - last[0].start, group[-1].end - group[0].start) < SHORTEST
            if is_near and is_short and fits([*last, *group], shape):
                merged[-1] = [*last, *group]
                continue
        merged.append(group)
    return merged


def time_groups(groups: list[list[Word]], shape: Shape) -> list[Subtitle]:
    """The groups as subtitles: each at least a second, where the next leaves room, and at most seven."""
    found: list[Subtitle] = []
    reached = 0.0
    for place, group in enumerate(groups):
        start = max(group[0].start, reached)
        limit = groups[place + 1][0].start if place + 1 < len(groups) else float("inf")
        end = min(max(group[-1].end, start + SHORTEST), start + LONGEST)
        end = max(min(end, max(limit, start)), start)
        if end - start < SHORTEST:  # it may begin earlier, and the next one a little later
            start = max(reached, min(start, end - SHORTEST))
            end = start + SHORTEST
        text = read_words(group)
        if text:
            found.append(Subtitle(round(start, 3), round(end, 3), break_lines(text, shape)))
            reached = found[-1].end
    return found
