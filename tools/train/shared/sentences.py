"""English sentences of the novels, and what stays outside the training."""

from __future__ import annotations

import re
from pathlib import Path

from tools.train.text.books import HELD_OUT, read_books

_SENTENCE = re.compile(r"[A-Za-z][A-Za-z ,;:'-]*[A-Za-z][.?!]")
_TITLES = re.compile(r"\b(Mr|Mrs|Dr|St|Messrs|Esq|Co|No)\.")


def read_sentences(folder: Path, held_out: bool, longest: int = 120) -> list[str]:
    """Sentences of plain letters and marks, at most `longest` characters, of the books or the held-out ones."""
    found: dict[str, None] = {}
    for name, text in read_books(folder).items():
        if (name in HELD_OUT) == held_out:
            plain = _TITLES.sub(r"\1", text.replace('"', ""))
            for part in re.split(r"(?<=[.?!])\s+", plain):
                part = part.replace("--", ", ").replace(" ,", ",")
                if _SENTENCE.fullmatch(part) and 8 <= len(part) <= longest and part.count(" ") >= 1:
                    found[part] = None
    return list(found)
