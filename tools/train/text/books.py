"""Novels as clean text: paragraphs with joined lines, plain quotation marks, one blank line between paragraphs."""

from __future__ import annotations

import re
from pathlib import Path

HELD_OUT = ("the-hound-of-the-baskervilles", "the-war-of-the-worlds")
"""Never trained on. The author of the first has other books in the training data; the author of the second has none."""

_PLAIN_MARKS = str.maketrans(
    {"“": '"', "”": '"', "‘": "'", "’": "'", "—": "--", "–": "-", "…": "...", "_": "", "\ufeff": ""}
)


def read_book(path: Path) -> str:
    """The book's text without captions of illustrations. Each paragraph is one line, followed by a blank line."""
    text = path.read_text(encoding="utf-8").translate(_PLAIN_MARKS)
    text = re.sub(r"\[[^\]]*\]", "", text)
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    return "\n\n".join(paragraph for paragraph in paragraphs if _is_prose(paragraph))


def _is_prose(paragraph: str) -> bool:
    """Whether a paragraph has a lower-case letter. Most title pages and chapter numbers have none."""
    return re.search(r"[a-z]", paragraph) is not None


def read_books(folder: Path) -> dict[str, str]:
    """The text of every .txt in `folder` by its stem, in order of name. Raises ValueError if there are none."""
    books = {path.stem: read_book(path) for path in sorted(folder.glob("*.txt"))}
    if not books:
        raise ValueError(f"{folder} holds no .txt files")
    return books


def find_words(text: str) -> list[str]:
    """The words of a text in lower case; apostrophes inside a word belong to it."""
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower())
