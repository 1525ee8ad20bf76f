"""The sentences to learn from: of books and reviews, and drawn by templates. Some are held out for the measurement."""

from __future__ import annotations

import csv
import json
import lzma
import random
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tools.train.text.books import HELD_OUT, read_books

TOPICS = Path(__file__).with_name("topics.toml")
BOOK_SENTENCES = 90_000
DRAWN_SENTENCES = 50_000
HELD_OUT_SENTENCES = 3_000
WORDS = (3, 28)
THING_TEMPLATES = (
    "{} is here", "Where is {}?", "I like {}", "I do not like {}", "Tell me about {}", "{} and {}",
    "He talked about {}.", "She was thinking of {} and {}.",
    "What do you know about {}?", "There is something wrong with {}.",
    "{}",
    "We need {} today", "They lost {}", "{} was very good", "{} was terrible", "Is {} better than {}?",
    "a picture of {}", "a story about {}", "How much is {}?", "Yesterday I saw {} near {}.",
)  # fmt: skip
DOING_TEMPLATES = (
    "How do I {}?", "How can I {}?", "What is the best way to {}?", "I want to {}", "I would like to {}.", "to {}",
    "She wants to {} and {}.", "Please {}.", "They tried to {} but failed.", "We will {} tomorrow", "Nobody can {}",
    "He had to {} before he could {}.", "It is hard to {}", "It is easy to {}", "Don't {}!", "{}", "why people {}",
)  # fmt: skip


@dataclass(frozen=True)
class Sentences:
    """Training sentences and held-out ones."""

    training: list[str]
    held_out: list[str]


def collect(data: Path, seed: int = 0) -> Sentences:
    """Sentences from `data`/books (.txt) and `data`/sentiment (train.tsv, validation.tsv), and drawn ones.

    `data` may also be a file from keep().
    """
    if data.is_file():
        return Sentences(**json.loads(lzma.decompress(data.read_bytes())))
    source = random.Random(seed)
    books = read_books(data / "books")
    told = [sentence for name, text in books.items() if name not in HELD_OUT for sentence in split(text)]
    unseen = [sentence for name, text in books.items() if name in HELD_OUT for sentence in split(text)]
    source.shuffle(told)
    source.shuffle(unseen)
    reviews, review_tests = _reviews(data / "sentiment" / "train.tsv"), _reviews(data / "sentiment" / "validation.tsv")
    drawn = draw(source, DRAWN_SENTENCES + HELD_OUT_SENTENCES // 3)
    held_out = unseen[: HELD_OUT_SENTENCES // 3] + review_tests[: HELD_OUT_SENTENCES // 3] + drawn[DRAWN_SENTENCES:]
    training = list(dict.fromkeys(told[:BOOK_SENTENCES] + reviews + drawn[:DRAWN_SENTENCES]))
    source.shuffle(training)
    return Sentences(training, held_out)


def keep(sentences: Sentences, path: Path) -> None:
    """Write sentences to a small file, for a machine that lacks the data."""
    path.write_bytes(lzma.compress(json.dumps(vars(sentences)).encode()))


def split(text: str) -> list[str]:
    """The sentences of a text that have as many words as WORDS allows, without marks of speech at their ends."""
    parts = (part.strip(" \"'-") for part in re.split(r"(?<=[.!?;])[\"']?\s+", text))
    return [part for part in parts if WORDS[0] <= len(part.split()) <= WORDS[1]]


def _reviews(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def draw(source: random.Random, count: int) -> list[str]:
    """`count` different sentences of everyday subjects, drawn by templates."""
    topics: list[list[list[str]]] = list(tomllib.loads(TOPICS.read_text(encoding="utf-8")).values())
    found: dict[str, None] = {}
    while len(found) < count:
        kind = source.randrange(2)
        template = source.choice((THING_TEMPLATES, DOING_TEMPLATES)[kind])
        first = source.choice(topics)
        second = first if source.random() < 0.3 else source.choice(topics)
        text = template.format(*(source.choice(topic[kind]) for topic in (first, second)))
        found[text[0].upper() + text[1:] if source.random() < 0.7 else text] = None
    return list(found)
