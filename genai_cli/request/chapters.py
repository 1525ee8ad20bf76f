"""A book in plain text as rows: one for each chapter, with the chapter's title as its id."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from genai_cli.errors import InputError
from genai_cli.request.headings import (
    CHAPTER,
    CONTENTS,
    NUMBER,
    Heading,
    find_headings,
    find_marked,
    find_numbers,
    is_list,
    is_title,
    read_markdown,
    read_numbered,
)
from genai_cli.request.lines import MAX_ROW, BadRow, Row, not_utf8

MAX_BOOK = 20_000_000  # bytes
NAME_LETTERS = 48  # of a chapter's title in the name of its file
SHORT = 300  # characters of a part that is spoken with its first chapter

# https://www.gutenberg.org: what stands before the first of these marks and after the second is not the book's.
START = re.compile(r"\s*\*{3}\s*START OF (THE|THIS) PROJECT GUTENBERG", re.IGNORECASE)
END = re.compile(
    r"\s*(\*{3}\s*END OF (THE|THIS) PROJECT GUTENBERG|End of (the |this )?Project Gutenberg)", re.IGNORECASE
)
ILLUSTRATION = re.compile(r"\[illustration\b.*\]", re.IGNORECASE)
EMPHASIS = re.compile(r"(?<!\w)(_|\*{1,3})(?=\S)([^_*]*?\S)\1(?!\w)")


@dataclass(frozen=True)
class Paragraph:
    """A paragraph on one line; of a list, each entry has its own."""

    text: str
    is_list: bool = False


@dataclass
class Section:
    """What stands below a heading; None: before the first one."""

    heading: Heading | None
    line: int
    """The number of its first line."""
    paragraphs: list[Paragraph] = field(default_factory=list)
    above: list["Section"] = field(default_factory=list)
    """What stands directly above it, with little text or none: the part that it begins."""

    @property
    def text(self) -> str:
        """All of it, its headings first."""
        heading = [plain(self.heading.line)] if self.heading else []
        above = (section.text for section in self.above)
        return "\n\n".join([*above, *heading, *(paragraph.text for paragraph in self.paragraphs)])

    @property
    def title(self) -> str:
        """What it is called by: its heading's title, or a short line below that, or the heading."""
        first = self.paragraphs[0].text if self.paragraphs else ""
        if self.heading is None:
            return first
        has_number = isinstance(self.heading.label[1], int)
        is_below = has_number and len(self.paragraphs) > 1 and is_title(first) and not read_numbered(first)
        return self.heading.title or (first if is_below else self.heading.line)

    @property
    def rank(self) -> int:
        """That of its heading."""
        return self.heading.rank if self.heading else 0

    def has_text(self) -> bool:
        """Whether there is more below its heading than titles and lists: an entry of a table of contents has none."""
        return not all(paragraph.is_list or is_title(paragraph.text) for paragraph in self.paragraphs)


def chapter_rows(stream: BinaryIO, name: str, stem: str, subject: str) -> Iterator[Row | BadRow]:
    """A row for each chapter of a text in UTF-8; `stem` is the id of one without chapters. Raises InputError."""
    data = stream.read(MAX_BOOK + 1)
    if len(data) > MAX_BOOK:
        raise InputError(f"{name} is longer than {MAX_BOOK // 10**6} MB", hint="divide it into several files")
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        yield Row({}, f"{name}:{number}").bad(not_utf8())
        return
    sections = split_book(lines)
    digits = max(2, len(str(len(sections))))
    first = 0 if sections and sections[0].heading is None else 1
    for number, section in enumerate(sections, first):
        title = make_name(section.title) if len(sections) > 1 or section.heading else stem
        own_id = f"{number:0{digits}}-{title}" if len(sections) > 1 else title
        row = Row({subject: section.text, "id": own_id}, f"{name}:{section.line}")
        if len(section.text.encode()) > MAX_ROW:
            hint = "a line such as '# Title' begins another chapter"
            yield row.bad(InputError(f"{section.title[:60]!r} is longer than {MAX_ROW} bytes", hint=hint))
        else:
            yield row


def make_name(title: str) -> str:
    """A title as part of an id: its words in small letters."""
    letters = (letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in plain(title).lower())
    words = "".join(letters).split()
    while len(words) > 1 and len("-".join(words).encode()) > NAME_LETTERS:
        words.pop()
    return "-".join(words) or "chapter"


def split_book(lines: Sequence[str]) -> list[Section]:
    """The chapters of a book in plain text or Markdown: without tables of contents, and what Gutenberg adds."""
    begin, end = find_bounds(lines)
    lines = ["" if not begin <= place < end else line for place, line in enumerate(lines)]  # each keeps its number
    marked, worded = find_marked(lines), find_headings(lines)
    if marked and len(marked) >= len(worded):
        return leave_out_contents(split_at(lines, marked))
    sections = leave_out_contents(split_at(lines, worded))
    if count_numbered(sections, CHAPTER) > 1:  # numbers alone are then inside chapters
        return sections
    others = leave_out_contents(split_at(lines, worded | find_numbers(lines, worded)))
    return others if count_numbered(others, NUMBER) > 1 else sections


def find_bounds(lines: Sequence[str]) -> tuple[int, int]:
    """The places of the first line of the book itself and of the first behind it."""
    begin = next((place for place, line in enumerate(lines) if START.match(line)), None)
    if begin is None:
        return 0, next((place for place, line in enumerate(lines) if END.match(line)), len(lines))
    while begin < len(lines) - 1 and not lines[begin].rstrip().endswith("***"):  # a long title takes several lines
        begin += 1
    ends = (place for place, line in enumerate(lines) if place > begin and END.match(line))
    return begin + 1, next(ends, len(lines))


def count_numbered(sections: Sequence[Section], rank: int) -> int:
    """How many sections have a number, and a heading of this rank."""
    headings = [section.heading for section in sections if section.heading]
    return sum(heading.rank == rank and isinstance(heading.label[1], int) for heading in headings)


def split_at(lines: Sequence[str], headings: dict[int, Heading]) -> list[Section]:
    """The sections that the headings begin, after what stands before them."""
    sections, block = [Section(None, 1)], list[str]()
    for place, line in enumerate([*lines, ""]):
        heading = headings.get(place)
        if heading is None and line.strip():
            block.append(line.strip())
            continue
        if block:
            sections[-1].paragraphs += read_block(block, is_below=not sections[-1].paragraphs)
            block = []
        if heading is not None:
            sections.append(Section(heading, place + 1))
    return sections


def read_block(block: Sequence[str], *, is_below: bool) -> Iterator[Paragraph]:
    """The paragraphs of lines that no empty line divides; those right below a heading may be titles."""
    if is_list(block):
        yield from (Paragraph(plain(line), is_list=True) for line in block)
        return
    are_titles = is_below and len(block) < 3 and all(map(is_title, block))
    for text in block if are_titles else [join_lines(block)]:
        if any(map(str.isalnum, text)) and not ILLUSTRATION.fullmatch(text):
            yield Paragraph(plain(text))


def join_lines(lines: Sequence[str]) -> str:
    """Lines that were wrapped as one: without a space after a hyphen, and in Chinese and Japanese."""
    text = lines[0]
    for line in lines[1:]:
        is_hyphenated = text.endswith("-") and text[-2:-1].isalpha() and line[:1].isalpha()
        is_wide = unicodedata.east_asian_width(text[-1]) in "WF" and unicodedata.east_asian_width(line[0]) in "WF"
        text += line if is_hyphenated or is_wide else f" {line}"
    return text


def plain(text: str) -> str:
    """A line without the marks of emphasis and of headings, and with single spaces."""
    heading = read_markdown(text)
    return " ".join(EMPHASIS.sub(r"\2", heading.line if heading else text).split())


def leave_out_contents(sections: Sequence[Section]) -> list[Section]:
    """The sections with text. The headings of a table of contents have none, or come again with it.

    A heading of a part goes to the chapter that begins right below it.
    """
    kept, waiting = [sections[0]], list[Section]()
    for place, section in enumerate(sections):
        heading, later = section.heading, sections[place + 1 :]
        if heading is None:
            continue
        is_again = any(other.heading and other.heading.label == heading.label for other in later)
        begins_part = bool(later) and later[0].rank > section.rank and len(section.text) < SHORT
        if heading.label[0] == CONTENTS:
            kept[-1].paragraphs += [paragraph for paragraph in section.paragraphs if not paragraph.is_list]
            waiting = [other for other in waiting if other.rank < section.rank]
        elif is_again and not section.has_text() and len(kept) == 1:
            waiting = []
        elif not section.paragraphs or begins_part:
            waiting = [other for other in waiting if other.rank < section.rank] + [section]
        else:
            section.above = [other for other in waiting if other.rank < section.rank]
            kept.append(section)
            waiting = []
    return kept if kept[0].paragraphs else kept[1:]
