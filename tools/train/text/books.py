"""Novels as clean text: paragraphs of joined lines, plain quotation marks, one blank line between paragraphs."""

from __future__ import annotations

import re
from pathlib import Path

HELD_OUT = ("the-hound-of-the-baskervilles", "the-war-of-the-worlds")
"""Never trained on: one by an author with other books in the training data, one by an author without."""

_PLAIN_MARKS = str.maketrans(
    {"“": '"', "”": '"', "‘": "'", "’": "'", "—": "--", "–": "-", "…": "...", "_": "", "\ufeff": ""}
)


def read_book(path: Path) -> str:
    """The book's text, its paragraphs joined and separated by a blank line, without illustrations' captions."""
    text = path.read_text(encoding="utf-8").translate(_PLAIN_MARKS)
    text = re.sub(r"\[[^\]]*\]", "", text)
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    return "\n\n".join(paragraph for paragraph in paragraphs if _is_prose(paragraph))


def _is_prose(paragraph: str) -> bool:
    """Whether a paragraph has a letter in lower case: title pages and chapter numbers mostly have none."""
    return re.search(r"[a-z]", paragraph) is not None


def read_books(folder: Path) -> dict[str, str]:
    """Text of every .txt in `folder` by its stem, in the order of names; raises ValueError where there is none."""
    books = {path.stem: read_book(path) for path in sorted(folder.glob("*.txt"))}
    if not books:
        raise ValueError(f"{folder} holds no .txt files")
    return books


def words_of(text: str) -> list[str]:
    """The words of a text in lower case; apostrophes inside a word belong to it."""
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower())
