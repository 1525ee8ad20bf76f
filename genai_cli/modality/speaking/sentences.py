"""A text as the pieces that a model speaks one after the other, with the pauses between them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from genai_cli.modality.speaking.languages import find_language

LONGEST = 300  # characters of a piece: models were trained on sentences, and memory grows with their length
AFTER_SENTENCE, AFTER_PARAGRAPH, AFTER_PART = 0.3, 0.7, 0.1  # seconds
PARAGRAPH = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
# The end of a sentence with the quotes that close; a space has to follow, but for the marks of Chinese and Japanese.
END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』”’）]*")
LAST_WORD = re.compile(r"[^\s(\[\"'“‘«]+$")
INITIAL = re.compile(r"(?:[^\W\d_]\.)+")
PLACES = (r"[;:]\s", r"[,、，]\s?", r"\s")  # where a long sentence is cut, the best first


@dataclass(frozen=True)
class Piece:
    """What is spoken at once, the seconds of silence after it, and how many sentences it is."""

    text: str
    pause: float
    sentences: int = 1


def split_text(text: str, language: str | None) -> list[Piece]:
    """The pieces of a text: its sentences, and the parts of long ones. Line breaks inside a paragraph are spaces.

    The last piece has no pause after it.
    """
    pieces: list[Piece] = []
    for paragraph in PARAGRAPH.split(text):
        for sentence in split_sentences(" ".join(paragraph.split()), language):
            parts = list(cut_long(sentence))
            pieces += [Piece(part, AFTER_PART) for part in parts[:-1]]
            pieces += [Piece(part, AFTER_SENTENCE) for part in parts[-1:]]
        if pieces:
            pieces[-1] = Piece(pieces[-1].text, AFTER_PARAGRAPH)
    if pieces:
        pieces[-1] = Piece(pieces[-1].text, 0.0)
    return pieces


def split_sentences(text: str, language: str | None) -> Iterator[str]:
    """The sentences of a paragraph; an abbreviation's point ends none, nor does one that a small letter follows."""
    begin = 0
    for match in END.finditer(text):
        following = text[match.end() :].lstrip()[:1]
        if following.islower() or (match[0] == "." and is_abbreviation(text[begin : match.end()], language)):
            continue
        yield text[begin : match.end()].strip()
        begin = match.end()
    if rest := text[begin:].strip():
        yield rest


def is_abbreviation(text: str, language: str | None) -> bool:
    """Whether the last word of a text ends in a point that is part of it: `Dr.`, `J. R.`, and German `3.`"""
    found = LAST_WORD.search(text)
    word = found[0] if found else ""
    known = find_language(language)
    if known.ordinal_point and re.fullmatch(r"\d{1,2}\.", word):
        return True
    return word in known.abbreviations or bool(INITIAL.fullmatch(word) and word != "I.")


def cut_long(sentence: str) -> Iterator[str]:
    """The parts of a sentence that are short enough, cut at a mark or a space where there is one."""
    while len(sentence) > LONGEST:
        place = find_cut(sentence[:LONGEST])
        yield sentence[:place].strip()
        sentence = sentence[place:].strip()
    if sentence:
        yield sentence


def find_cut(text: str) -> int:
    """Where a part of this text ends: behind the last good mark in its second half, or at its end."""
    for mark in PLACES:
        ends = [match.end() for match in re.finditer(mark, text)]
        if ends and (ends[-1] > len(text) // 3 or mark == PLACES[-1]):
            return ends[-1]
    return len(text)
