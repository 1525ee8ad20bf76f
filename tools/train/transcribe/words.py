"""The words that the model knows, and sentences made of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = ("hundred", "thousand", "million")
NUMBERS = ("zero", *ONES, *TEENS, *TENS, *SCALES, "first", "second", "third", "half", "number")
COLOURS = (
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "black",
    "white",
    "grey",
    "gold",
    "silver",
)
SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "cross", "ring")
LOOKS = (
    "small",
    "large",
    "big",
    "little",
    "left",
    "right",
    "top",
    "bottom",
    "centre",
    "background",
    "colour",
    "shape",
    "picture",
    "sound",
)
MUSIC = (
    "piano",
    "flute",
    "guitar",
    "organ",
    "bells",
    "drums",
    "bass",
    "music",
    "song",
    "slow",
    "fast",
    "high",
    "low",
    "loud",
    "happy",
    "sad",
    "melody",
)
VERBS = (
    "go",
    "stop",
    "start",
    "turn",
    "open",
    "close",
    "play",
    "show",
    "draw",
    "write",
    "read",
    "make",
    "find",
    "take",
    "give",
    "put",
    "bring",
    "call",
    "send",
)
MORE_VERBS = (
    "wait",
    "help",
    "look",
    "listen",
    "move",
    "copy",
    "save",
    "delete",
    "begin",
    "end",
    "come",
    "run",
    "walk",
    "keep",
    "hold",
    "press",
    "choose",
)
THINGS = (
    "light",
    "door",
    "window",
    "house",
    "room",
    "table",
    "chair",
    "book",
    "letter",
    "paper",
    "word",
    "line",
    "page",
    "file",
    "key",
    "box",
    "hand",
)
MORE_THINGS = (
    "water",
    "fire",
    "tree",
    "flower",
    "garden",
    "city",
    "street",
    "road",
    "car",
    "train",
    "dog",
    "cat",
    "bird",
    "fish",
    "horse",
    "man",
)
PEOPLE = ("woman", "child", "friend", "people", "father", "mother", "king", "doctor")
TIMES = (
    "today",
    "tomorrow",
    "yesterday",
    "morning",
    "evening",
    "night",
    "day",
    "week",
    "month",
    "year",
    "hour",
    "minute",
    "time",
    "clock",
)
ANSWERS = ("yes", "okay", "please", "thanks", "hello", "goodbye", "sorry", "computer", "name", "again", "more", "less")
PLACES = (
    "up",
    "down",
    "on",
    "off",
    "in",
    "out",
    "over",
    "under",
    "here",
    "near",
    "far",
    "behind",
    "between",
    "back",
    "forward",
    "inside",
    "outside",
)
QUALITIES = (
    "good",
    "bad",
    "new",
    "old",
    "long",
    "short",
    "hot",
    "cold",
    "bright",
    "dark",
    "full",
    "empty",
    "great",
    "next",
    "last",
)
FREQUENT = (
    "the",
    "and",
    "to",
    "i",
    "of",
    "a",
    "that",
    "was",
    "it",
    "he",
    "you",
    "my",
    "his",
    "had",
    "as",
    "her",
    "with",
    "me",
    "at",
    "for",
    "she",
    "not",
    "is",
    "have",
    "but",
    "be",
    "him",
    "said",
    "which",
    "by",
    "all",
    "this",
    "from",
    "we",
    "so",
    "were",
    "when",
    "there",
    "no",
    "if",
    "what",
    "they",
    "been",
    "an",
    "your",
    "would",
    "are",
    "could",
    "or",
    "them",
    "do",
    "will",
    "now",
    "then",
    "who",
    "into",
    "very",
    "some",
    "about",
    "did",
    "before",
    "see",
    "am",
    "know",
    "has",
    "their",
    "us",
    "like",
    "than",
    "only",
    "must",
    "should",
    "our",
    "well",
    "how",
    "can",
    "never",
    "after",
    "came",
    "much",
    "may",
    "might",
    "think",
    "every",
    "much",
    "thing",
    "way",
    "every",
)
WORDS: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            *NUMBERS,
            *COLOURS,
            *SHAPES,
            *LOOKS,
            *MUSIC,
            *VERBS,
            *MORE_VERBS,
            *THINGS,
            *MORE_THINGS,
            *PEOPLE,
            *TIMES,
            *ANSWERS,
            *PLACES,
            *QUALITIES,
            *FREQUENT,
        )
    )
)
SIDES = ("left", "right", "top", "bottom")
_KNOWN = frozenset(WORDS)
ALIKE = frozenset(
    [
        "to",
        "two",
        "for",
        "four",
        "no",
        "know",
        "there",
        "their",
        "by",
        "which",
        "or",
        "our",
        "hour",
        "right",
        "write",
        "red",
        "read",
        "a",
        "i",
        "would",
    ]
)
"""words that sound like another one, or are too short: only sentences, not strings of drawn words, have them"""
_DRAWN = tuple(word for word in WORDS if word not in ALIKE)


def _pick(rng: np.random.Generator, words: Sequence[str]) -> str:
    return words[int(rng.integers(len(words)))]


def write_number(rng: np.random.Generator) -> str:
    """A number below a million in words."""
    kind = rng.random()
    below = _pick(rng, ONES + TEENS) if rng.random() < 0.5 else f"{_pick(rng, TENS)} {_pick(rng, ONES)}"
    if kind < 0.5:
        return below if rng.random() < 0.8 else _pick(rng, TENS)
    hundreds = f"{_pick(rng, ONES)} hundred"
    if kind < 0.75:
        return hundreds if rng.random() < 0.3 else f"{hundreds} and {below}"
    return f"{below} thousand {hundreds}" if kind < 0.9 else f"{below} {_pick(rng, SCALES[1:])}"


def _thing(rng: np.random.Generator) -> str:
    look = _pick(rng, ("small", "large", "big", "little", *QUALITIES))
    return f"{look} {_pick(rng, COLOURS)} {_pick(rng, SHAPES + THINGS + MORE_THINGS)}"


def _command(rng: np.random.Generator) -> str:
    kind = int(rng.integers(12))
    verb, thing, place = _pick(rng, VERBS + MORE_VERBS), _pick(rng, THINGS + MORE_THINGS), _pick(rng, PLACES)
    return (
        f"turn the {_pick(rng, COLOURS)} {thing} {_pick(rng, ('on', 'off'))}",
        f"{verb} the {_thing(rng)}",
        f"please {verb} the {thing} {place} the {_pick(rng, THINGS)}",
        f"a {_thing(rng)} on the {_pick(rng, SIDES)} of a {_pick(rng, COLOURS)} background",
        f"{write_number(rng)} {_pick(rng, ('and', 'or', 'then'))} {write_number(rng)}",
        " ".join(_pick(rng, ("zero", *ONES)) for _ in range(int(rng.integers(3, 8)))),
        f"play {_pick(rng, ('slow', 'fast', 'loud', 'sad', 'happy'))} {_pick(rng, MUSIC)} {_pick(rng, TIMES)}",
        f"{_pick(rng, ANSWERS[:7])} {verb} {write_number(rng)} {_pick(rng, TIMES)}",
        f"the {_pick(rng, PEOPLE)} {_pick(rng, ('is', 'was'))} {_pick(rng, QUALITIES)} {_pick(rng, TIMES)}",
        f"read the {_pick(rng, ('book', 'letter', 'page', 'word', 'line'))} and write the {_pick(rng, THINGS)} down",
        f"two {_pick(rng, COLOURS)} {_pick(rng, THINGS)} for our {_pick(rng, PEOPLE)}",
        f"do you know their {thing} and is there no {_pick(rng, THINGS)} {place}",
    )[kind]


def find_fragments(sentences: Sequence[str], shortest: int = 4, longest: int = 12) -> list[str]:
    """Runs of known words in sentences."""
    found: dict[str, None] = {}
    for sentence in sentences:
        for clause in re.split(r"[,.;:?!]", sentence.lower()):
            run: list[str] = []
            for word in [*clause.split(), ""]:
                if word in _KNOWN:
                    run.append(word)
                    continue
                if len(run) >= shortest:
                    found[" ".join(run[:longest])] = None
                run = []
    return list(found)


def write_sentence(rng: np.random.Generator, fragments: Sequence[str]) -> str:
    """A command, a fragment of a novel, or words drawn at random."""
    kind = rng.random()
    if kind < 0.4:
        return _command(rng)
    if kind < 0.7 and fragments:
        return _pick(rng, fragments)
    return " ".join(_pick(rng, _DRAWN) for _ in range(int(rng.integers(1, 9))))
