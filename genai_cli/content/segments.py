"""What was said, and when: segments and words, as models hear them and as records and JSON hold them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from genai_cli.types import JsonObject


@dataclass(frozen=True)
class Word:
    """A word with its times in seconds; its text has the space before it that belongs there."""

    start: float
    end: float
    text: str
    probability: float | None = None

    def record(self) -> JsonObject:
        """Under whisper's names."""
        found: JsonObject = {"word": self.text, "start": round(self.start, 3), "end": round(self.end, 3)}
        return found if self.probability is None else {**found, "probability": round(self.probability, 4)}

    @classmethod
    def read(cls, stated: JsonObject) -> Self:
        """From its record."""
        return cls(float(stated["start"]), float(stated["end"]), str(stated["word"]), stated.get("probability"))


@dataclass(frozen=True)
class Segment:
    """A stretch of text with its times in seconds, its words where they are known, and how sure the model was."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    tokens: tuple[int, ...] = ()
    temperature: float = 0.0
    avg_logprob: float | None = None
    compression_ratio: float | None = None
    no_speech_prob: float | None = None

    def record(self) -> JsonObject:
        """Under whisper's names, without what is not known."""
        found: JsonObject = {"start": round(self.start, 3), "end": round(self.end, 3), "text": self.text}
        if self.tokens:
            found |= {"tokens": list(self.tokens), "temperature": self.temperature}
        for name in ("avg_logprob", "compression_ratio", "no_speech_prob"):
            value = getattr(self, name)
            if value is not None:
                found[name] = round(value, 4)
        return found | ({"words": [word.record() for word in self.words]} if self.words else {})

    @classmethod
    def read(cls, stated: JsonObject) -> Self:
        """From its record."""
        known = ("temperature", "avg_logprob", "compression_ratio", "no_speech_prob")
        return cls(
            float(stated["start"]),
            float(stated["end"]),
            str(stated["text"]),
            tuple(Word.read(word) for word in stated.get("words", ())),
            tuple(stated.get("tokens", ())),
            **{name: stated[name] for name in known if name in stated},
        )


def join_texts(segments: Iterable[Segment]) -> str:
    """The whole text."""
    return "".join(segment.text for segment in segments).strip()


def order_segments(segments: Iterable[Segment]) -> list[Segment]:
    """The segments with times that never overlap and never run backwards; a model may say otherwise."""
    ordered: list[Segment] = []
    last = 0.0
    for segment in segments:
        start = max(segment.start, last)
        end = max(segment.end, start)
        words: list[Word] = []
        reached = start
        for word in segment.words:
            begin = min(max(word.start, reached), end)
            reached = min(max(word.end, begin), end)
            words.append(Word(begin, reached, word.text, word.probability))
        changes = {"start": start, "end": end, "words": tuple(words)}
        ordered.append(Segment(**{**vars(segment), **changes}))
        last = end
    return ordered
