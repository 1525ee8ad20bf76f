"""Which lines of a plain text are headings: by a word and a number, by a number alone, or in Markdown."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from genai_cli.request.numerals import COUNTED, ORDERED, any_of, read_number

PART, CHAPTER, NUMBER = 1, 2, 3  # the ranks of headings, the highest first
LONGEST = 100  # characters of a heading
CONTENTS = "contents"

PARTS = "part book volume vol tome period narrative act teil buch band partie livre parte libro 卷 部 篇"
CHAPTERS = (
    "chapter chap letter stave canto scene adventure lesson lecture episode kapitel brief chapitre lettre "
    "capítulo capitulo capitolo"
)
NAMED = (
    "prologue epilogue preface foreword introduction afterword conclusion appendix postscript interlude prolog epilog "
    "vorwort nachwort einleitung préface épilogue prólogo epílogo prefacio"
)
TABLES = (
    "contents",
    "table of contents",
    "inhalt",
    "inhaltsverzeichnis",
    "table des matières",
    "índice",
    "目录",
    "目錄",
)

MARK = r"\s*[.:)—–-]+\s*"
WORDS = rf"(?P<word>{any_of(PARTS)}|{any_of(CHAPTERS)})"
# A title without a mark before it begins with a capital: CHAPTER I. The Way, Book the First--Recalled, Part 1 The Way
TITLE = rf"(?:{MARK}(?P<after>.*)|\s+(?P<title>(?![a-zß-öø-ÿ\d])\S.*))?"
FIGURES = r"(?:\d{1,4}|[IVXLC]{1,8}|[ivxlc]{1,8})"
WORDED = re.compile(rf"{WORDS}\.?\s+(?i:the\s+)?(?P<number>(?i:{COUNTED}|{ORDERED})|{FIGURES})(?!\w){TITLE}")
ORDERED_FIRST = re.compile(rf"(?P<number>{ORDERED})\s+{WORDS}(?:{MARK}(?P<after>.*))?")
NAMED_ALONE = re.compile(rf"(?P<word>{any_of(NAMED)})(?:{MARK}(?P<after>.*))?")
CHINESE = re.compile(
    r"第\s?(?P<number>[一二三四五六七八九十百千零〇两\d]+)\s?(?P<word>[章回节節卷部篇])"
    r"(?:[\s:：、.．]+(?P<after>.*)|(?P<title>[^，。！？]{1,20}))?"
)
NUMBERED = re.compile(rf"(?P<number>[IVXLC]{{1,8}}|\d{{1,3}})(?:{MARK}|\s{{2,}}|$)(?P<after>.*)")
MARKDOWN = re.compile(r"(?P<marks>#{1,6})\s+(?P<after>\S.*?)\s*#*")
PAGE = re.compile(r"(?:\s{2,}|\s*\.[ .]*\.\s*)\d{1,4}$")  # at the end of a line of a table of contents
ITEM = re.compile(r"[-*+•]\s")
ENDS = ".!?…:\"'”’»」。！？*)]"  # what a line ends with where a paragraph may end


@dataclass(frozen=True)
class Heading:
    """A line that begins a part, a chapter, or what is numbered."""

    line: str
    rank: int
    label: tuple[str, int | str]
    """What it is and its number: the entries of a table of contents have the labels of the chapters."""
    title: str = ""


def find_headings(lines: Sequence[str]) -> dict[int, Heading]:
    """The headings by their words, by the places of their lines: each begins a paragraph."""
    found: dict[int, Heading] = {}
    for place, line in enumerate(lines):
        before = lines[place - 1].strip() if place and place - 1 not in found else ""
        heading = read_worded(line.strip()) if not before or before[-1] in ENDS else None
        if heading is not None:
            found[place] = heading
    return found


def find_numbers(lines: Sequence[str], worded: Iterable[int]) -> dict[int, Heading]:
    """The headings that are numbers, with or without a title: they stand alone, and in their order."""
    others = set(worded)
    found: dict[int, Heading] = {}
    for place, line in enumerate(lines):
        heading = read_numbered(line.strip())
        is_begin = place == 0 or not lines[place - 1].strip() or place - 1 in others
        following = [other.strip() for other in lines[place + 1 : place + 3]]
        is_alone = not any(following[:1]) or (not any(following[1:]) and is_title(following[0]))
        if heading is not None and is_begin and is_alone and place not in others:
            found[place] = heading
    fits = are_in_order(int(heading.label[1]) for heading in found.values())
    return {place: heading for (place, heading), in_order in zip(found.items(), fits, strict=True) if in_order}


def are_in_order(numbers: Iterable[int]) -> Iterator[bool]:
    """Whether each number goes on from the one before, or starts over; one of them may be missing."""
    last = 0
    for number in numbers:
        fits = number == 1 or last < number <= last + 2
        last = number if fits else last
        yield fits


def find_marked(lines: Sequence[str]) -> dict[int, Heading]:
    """The headings of Markdown, down to the first level with several of them: what is below divides chapters."""
    read = ((place, read_markdown(line.strip())) for place, line in enumerate(lines))
    found = {place: heading for place, heading in read if heading is not None}
    ranks = [heading.rank for heading in found.values()]
    lowest = next((rank for rank in sorted(set(ranks)) if ranks.count(rank) > 1), 6)
    return {place: heading for place, heading in found.items() if heading.rank <= lowest}


def read_worded(line: str) -> Heading | None:
    """The heading that a line is by its words: a kind with a number, a preface, a table of contents."""
    if len(line) > LONGEST or line[:1].islower():
        return None
    first, space, rest = line.partition(" ")
    found = WORDED.fullmatch(first.lower() + space + rest) or CHINESE.fullmatch(line)
    if found or (found := ORDERED_FIRST.fullmatch(line.lower())):
        rank = PART if found["word"] in PARTS.split() else CHAPTER
        return Heading(line, rank, (found["word"], read_number(found["number"])), read_title(line, found))
    if found := NAMED_ALONE.fullmatch(line.lower()):
        return Heading(line, CHAPTER, (found["word"], ""), read_title(line, found))
    return Heading(line, CHAPTER, (CONTENTS, "")) if line.strip(" .:").lower() in TABLES else None


def read_numbered(line: str) -> Heading | None:
    """The heading that a line is by its number alone: `IV`, `12. The Way`."""
    found = NUMBERED.fullmatch(line) if len(line) <= LONGEST else None
    if found is None or (found["after"] and not is_title(found["after"])):
        return None
    return Heading(line, NUMBER, ("", read_number(found["number"])), read_title(line, found))


def read_markdown(line: str) -> Heading | None:
    """The heading that a line of Markdown is; its rank is the number of its marks."""
    found = MARKDOWN.fullmatch(line)
    if found is None:
        return None
    text, own = found["after"], read_worded(found["after"])
    label = own.label if own and own.label[0] == CONTENTS else ("", text.lower())
    return Heading(text, len(found["marks"]), label, own.title if own and own.title else text)


def read_title(line: str, found: re.Match[str]) -> str:
    """The title in a heading's line, without the page of a table of contents."""
    name = next((name for name in ("after", "title") if found.re.groupindex.get(name) and found[name]), None)
    return PAGE.sub("", line[found.start(name) : found.end(name)]).strip(" .:") if name else ""


def is_title(line: str) -> bool:
    """Whether a line can be a title: short, and in capitals or without the end of a sentence."""
    text = line.strip(" \"'“”‘’_*")
    if not 0 < len(text) <= LONGEST or not any(map(str.isalnum, text)):
        return False
    return text.isupper() or (not text[0].islower() and unicodedata.category(text[-1]) != "Po")


def is_list(lines: Sequence[str]) -> bool:
    """Whether lines are a list, such as a table of contents: most have a number, a mark or a page."""
    marked = [line for line in lines if read_numbered(line) or PAGE.search(line) or ITEM.match(line)]
    return (len(marked) > 1 and 2 * len(marked) >= len(lines)) or (len(lines) == 1 and bool(PAGE.search(lines[0])))
