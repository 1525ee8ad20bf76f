"""What the model says of a picture, in several forms; questions and answers; and captions read back as scenes."""

from __future__ import annotations

import re

import numpy as np

from tools.train.image.captions import PLURALS
from tools.train.image.scenes import COLOURS, COLUMN, ROW, SHAPES, SIZES, Item, Scene

UNKNOWN = "no shape that i know"
PLACES = {
    "centre": "in the centre",
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
}
RELATIONS = {
    "to the left of": (ROW, False),
    "to the right of": (ROW, True),
    "above": (COLUMN, False),
    "below": (COLUMN, True),
}
QUESTIONS = (
    "what colour is the background ?",
    "what colour is it ?",
    "what shape is it ?",
    "how many shapes are there ?",
    "where is it ?",
)
_SINGULAR = {PLURALS.get(shape, shape + "s"): shape for shape in SHAPES}


def _article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeio" else "a ") + phrase


def _subject(scene: Scene, rng: np.random.Generator) -> str:
    """The objects with their place: "a large red circle on the left"."""
    first = scene.items[0]
    if len(scene.items) == 1:
        return f"{_article(f'{scene.size} {first.colour} {first.shape}')} {PLACES[scene.place]}"
    if scene.is_like_pair:
        return f"two {scene.size} {first.colour} {PLURALS.get(first.shape, first.shape + 's')} side by side"
    backward = rng.random() < 0.3
    words = {relation: words for words, relation in RELATIONS.items()}[scene.place, backward]
    one, other = (_article(f"{item.colour} {item.shape}") for item in scene.items)
    return f"{other} {words} {one}" if backward else f"{one} {words} {other}"


def write_caption(scene: Scene, rng: np.random.Generator) -> str:
    """One of four forms, the plain one most often."""
    subject, behind = _subject(scene, rng), f"{_article(scene.background)} background"
    form = rng.choice(4, p=(0.55, 0.15, 0.15, 0.15))
    if form == 1:
        return f"there {'are' if len(scene.items) == 2 else 'is'} {subject} on {behind}"
    if form == 2:
        return f"a picture of {subject} on {behind}"
    if form == 3:
        return f"{behind} with {subject}"
    return f"{subject} on {behind}"


def read_caption(text: str) -> Scene | None:
    """The scene that a caption of any form describes, or None if it describes none."""
    text = re.sub(r"^(there (is|are)|a picture of) ", "", text.strip().lower())
    behind = re.search(rf"(?: on |^)an? ({'|'.join(COLOURS)}) background(?: with )?", text)
    if behind is None:
        return None
    subject = (text[: behind.start()] + text[behind.end() :]).strip()
    size, colour, shape = "|".join(SIZES), "|".join(COLOURS), "|".join(SHAPES)
    if found := re.fullmatch(rf"an? ({size}) ({colour}) ({shape}) (.+)", subject):
        places = {words: place for place, words in PLACES.items()}
        if found[4] in places:
            return Scene((Item(found[3], found[2]),), found[1], places[found[4]], behind[1])
    elif found := re.fullmatch(rf"two ({size}) ({colour}) (\w+) side by side", subject):
        if found[3] in _SINGULAR:
            item = Item(_SINGULAR[found[3]], found[2])
            return Scene((item, item), found[1], ROW, behind[1])
    elif found := re.fullmatch(rf"an? ({colour}) ({shape}) ({'|'.join(RELATIONS)}) an? ({colour}) ({shape})", subject):
        place, backward = RELATIONS[found[3]]
        items = (Item(found[2], found[1]), Item(found[5], found[4]))
        return Scene(items[::-1] if backward else items, "large", place, behind[1])
    return None


def answer(question: str, scene: Scene) -> str:
    """The answer to one of QUESTIONS."""
    first, last = scene.items[0], scene.items[-1]
    if question == QUESTIONS[0]:
        return scene.background
    if question == QUESTIONS[1]:
        return first.colour if first.colour == last.colour else f"{first.colour} and {last.colour}"
    if question == QUESTIONS[2]:
        if len(scene.items) == 1:
            return _article(first.shape)
        same = PLURALS.get(first.shape, first.shape + "s")
        return f"two {same}" if first.shape == last.shape else f"{_article(first.shape)} and {_article(last.shape)}"
    if question == QUESTIONS[3]:
        return "one" if len(scene.items) == 1 else "two"
    if len(scene.items) == 1:
        return PLACES[scene.place]
    return "side by side" if scene.place == ROW else "one above the other"


def write_answer(scene: Scene | None, rng: np.random.Generator) -> tuple[str, str]:
    """A question and its answer. Of a picture without a shape only the number of shapes is asked."""
    question = QUESTIONS[3] if scene is None else QUESTIONS[int(rng.integers(len(QUESTIONS)))]
    return question, UNKNOWN if scene is None else answer(question, scene)


def all_words() -> list[str]:
    """Every word of captions, questions and answers."""
    texts = [UNKNOWN, *QUESTIONS, *PLACES.values(), *RELATIONS, *COLOURS, *SHAPES, *SIZES, *_SINGULAR]
    texts += ["there is are a an picture of two side by side one above the other and background with on"]
    return sorted({word for text in texts for word in text.split()})
