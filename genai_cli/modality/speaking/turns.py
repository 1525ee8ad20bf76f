"""Texts of several speakers: marks in a text say whose turn it is, and every piece begins with the mark of its own."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from genai_cli.errors import InputError
from genai_cli.modality.speaking.sentences import AFTER_PARAGRAPH, AFTER_SENTENCE, LONGEST, Piece, split_text
from genai_cli.modality.speaking.speaker import Manner


@dataclass(frozen=True)
class Turn:
    """What one speaker says until the next one does."""

    speaker: str
    text: str


def split_turns(text: str, mark: re.Pattern[str], first: str) -> Iterator[Turn]:
    """The turns of a text. A mark's first group names the speaker; what stands before all marks is said by `first`."""
    speaker, begin = first, 0
    for match in mark.finditer(text):
        if said := text[begin : match.start()].strip():
            yield Turn(speaker, said)
        speaker, begin = match[1], match.end()
    if said := text[begin:].strip():
        yield Turn(speaker, said)


def split_dialogue(turns: Iterator[Turn], language: str | None) -> list[tuple[str, Piece]]:
    """Each piece of the turns, with its speaker. The last one has no pause after it."""
    found: list[tuple[str, Piece]] = []
    for turn in turns:
        pieces = split_text(turn.text, language)
        if found:
            speaker, last = found[-1]
            found[-1] = (speaker, Piece(last.text, AFTER_SENTENCE))
        found += [(turn.speaker, piece) for piece in pieces]
    return found


def join_pieces(pieces: Sequence[tuple[str, Piece]]) -> list[Piece]:
    """Pieces as long as a model says at once, with a mark wherever the speaker changes; a paragraph ends each."""
    joined: list[Piece] = []
    current = ""
    for speaker, piece in pieces:
        mark = f"[{speaker}]"
        last = joined[-1] if joined else None
        if last and last.pause < AFTER_PARAGRAPH and len(last.text) + len(mark) + len(piece.text) + 2 <= LONGEST:
            more = piece.text if speaker == current else f"{mark} {piece.text}"
            joined[-1] = Piece(f"{last.text} {more}", piece.pause, last.sentences + 1)
        else:
            joined.append(Piece(f"{mark} {piece.text}", piece.pause))
        current = speaker
    return joined


def refuse_sound(name: str, manner: Manner, hint: str) -> None:
    """Raise InputError for a sound as the voice: these models hear it beside its transcript alone."""
    if manner.voice_file is not None:
        raise InputError(
            f"{name} takes a sound as a voice only with its transcript, which genai does not give it", hint=hint
        )
