"""Plain opinions in everyday wording, drawn from a grammar, with their polarity."""

from __future__ import annotations

import random
import re
import tomllib
from pathlib import Path

from tools.train.classify.data import Sentence, word_key

_TABLES = ("negative", "positive")
_REFERENCE = re.compile(r"\{(!?)([^{}]+)\}")
_ENDINGS = ("", "", ".", ".", " .", "!", " !", "!!!", "...")


class OpinionSource:
    """Draws short opinions from opinions.toml. It never draws one with the same words as a text in `excluded`."""

    def __init__(self, excluded: list[str]) -> None:
        text = Path(__file__).with_name("opinions.toml").read_text(encoding="utf-8")
        self._grammar: dict[str, dict[str, list[str] | dict[str, float]]] = tomllib.loads(text)
        self._excluded = {word_key(text) for text in excluded}

    def draw(self, source: random.Random) -> Sentence:
        """Draw a sentence of one or two clauses, with the casing and punctuation that people use."""
        while True:
            label = source.randrange(2)
            text = re.sub(r"\ba (?=[aeiou])", "an ", self._expand("sentence", label, source))
            if word_key(text) not in self._excluded:
                return Sentence(_punctuate(text, source), label)

    def _expand(self, name: str, label: int, source: random.Random) -> str:
        """An alternative of `name` with every reference in it expanded."""
        alternatives = self._grammar[_TABLES[label]].get(name) or self._grammar["either"][name]
        if isinstance(alternatives, dict):
            template = source.choices(list(alternatives), list(alternatives.values()))[0]
        else:
            template = source.choice(alternatives)
        return _REFERENCE.sub(lambda found: self._expand(found[2], 1 - label if found[1] else label, source), template)


def _punctuate(text: str, source: random.Random) -> str:
    """The text with a first letter and an ending as people write them. The tokenizer ignores all other case."""
    first = text[0].upper() if source.random() < 0.6 else text[0]
    return first + text[1:] + source.choice(_ENDINGS)
