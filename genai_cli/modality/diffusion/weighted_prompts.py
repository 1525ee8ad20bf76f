"""Prompts as people write them, with `(word:1.3)`, `((word))`, `[word]`, `<lora:name:0.8>` and `BREAK`.

The form is that of AUTOMATIC1111's web UI, which most tools for Stable Diffusion read:
https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/Features#attentionemphasis
"""

import re
from dataclasses import dataclass

from genai_cli.errors import InputError

STRONGER, WEAKER = 1.1, 1 / 1.1
MOST_WEIGHT = 100.0
TOKEN = re.compile(r"\\[()\[\]\\]|\(|\[|:\s*([+-]?[.\d]+)\s*\)|\)|\]|[^\\()\[\]:]+|\\|:")
BREAK = re.compile(r"\s*\bBREAK\b\s*")
LORA_TAG = re.compile(r"<lora:([^:>]+)(?::([^:>]*))?(?::[^>]*)?>")
SCHEDULE = re.compile(r"(?<!\\)\[([^\[\]]*:)?[^\[\]]*:\s*[\d.]+\s*\]")
AND = re.compile(r"\bAND\b")
ALTERNATION = re.compile(r"(?<!\\)\[[^\[\]]*\|[^\[\]]*\]")
# What a prompt that is written in this form has, and hardly any other.
WEIGHTED = re.compile(r"(?<!\\)\([^()]*:\s*\d*\.?\d+\s*\)|\(\([^()]+\)\)|<lora:[^>]+>|\bBREAK\b")


# What is read in another way with weights, and the length from which a prompt may need more than one window.
MARKS = re.compile(r"[()\[\]\\]|\b(BREAK|AND)\b")
LONG = 200


@dataclass(frozen=True)
class Piece:
    """A part of a prompt with its weight; a piece without text begins a new window."""

    text: str
    weight: float = 1.0

    @property
    def is_break(self) -> bool:
        """Whether a new window begins here."""
        return not self.text


@dataclass(frozen=True)
class LoraTag:
    """A LoRA that a prompt names."""

    name: str
    weight: float


def looks_weighted(prompt: str) -> bool:
    """Whether a prompt is written in this form."""
    return WEIGHTED.search(prompt) is not None


def needs_weights(prompt: str) -> bool:
    """Whether a prompt of a tool that reads weights may mean something else without them."""
    return len(prompt) > LONG or MARKS.search(prompt) is not None


def find_lora_tags(prompt: str) -> list[LoraTag]:
    """The LoRAs that a prompt names. Raises InputError for a weight that is none."""
    found = []
    for match in LORA_TAG.finditer(prompt):
        text = match[2] or "1"
        try:
            found.append(LoraTag(match[1].strip(), float(text)))
        except ValueError:
            raise InputError(f"{text!r} is not a weight in {match[0]}", hint="<lora:name:0.8>") from None
    return found


def remove_lora_tags(prompt: str) -> str:
    """A prompt without the LoRAs that it names."""
    return re.sub(r"[ \t]{2,}", " ", LORA_TAG.sub("", prompt)).strip()


def parse_weighted(prompt: str) -> list[Piece]:
    """A prompt as pieces with weights. Raises InputError for what is not read: schedules, and weights that are none."""
    prompt = remove_lora_tags(prompt)
    refuse_schedules(prompt)
    if AND.search(prompt):
        raise InputError(
            "the prompt joins several with AND, and genai gives each step one prompt",
            hint="BREAK begins a new window of one prompt; the word is written in small letters: and",
        )
    pieces: list[Piece] = []
    round_open: list[int] = []
    square_open: list[int] = []
    for match in TOKEN.finditer(prompt):
        token = match[0]
        if token == "(":
            round_open.append(len(pieces))
        elif token == "[":
            square_open.append(len(pieces))
        elif match[1] is not None and round_open:
            multiply(pieces, round_open.pop(), read_weight(match[1], prompt))
        elif token == ")" and round_open:
            multiply(pieces, round_open.pop(), STRONGER)
        elif token == "]" and square_open:
            multiply(pieces, square_open.pop(), WEAKER)
        else:
            pieces += split_breaks(token[1:] if token.startswith("\\") and len(token) > 1 else token)
    for place in round_open:
        multiply(pieces, place, STRONGER)
    for place in square_open:
        multiply(pieces, place, WEAKER)
    return join_equal(pieces)


def split_breaks(text: str) -> list[Piece]:
    """A text without brackets as pieces, with an empty one for each BREAK."""
    found: list[Piece] = []
    for number, part in enumerate(BREAK.split(text)):
        found += [Piece("")] if number else []
        found += [Piece(part)] if part else []
    return found


def multiply(pieces: list[Piece], start: int, weight: float) -> None:
    """Multiply the weights of all pieces from a place on."""
    pieces[start:] = [piece if piece.is_break else Piece(piece.text, piece.weight * weight) for piece in pieces[start:]]


def join_equal(pieces: list[Piece]) -> list[Piece]:
    """Neighbours of the same weight as one piece."""
    found: list[Piece] = []
    for piece in pieces:
        last = found[-1] if found else None
        if last and not last.is_break and not piece.is_break and last.weight == piece.weight:
            found[-1] = Piece(last.text + piece.text, piece.weight)
        else:
            found.append(piece)
    return found


def read_weight(text: str, prompt: str) -> float:
    """The weight in a bracket. Raises InputError."""
    try:
        weight = float(text)
    except ValueError:
        raise InputError(f"{text!r} is not a weight in the prompt {prompt[:40]!r}", hint="(word:1.3)") from None
    if abs(weight) > MOST_WEIGHT:
        raise InputError(f"the weight {text} in the prompt is too large", hint="usual weights are 0.5 to 1.5")
    return weight


def refuse_schedules(prompt: str) -> None:
    """Raise InputError for what changes the prompt from step to step, which is not read."""
    for pattern, words in ((SCHEDULE, "a schedule"), (ALTERNATION, "an alternation")):
        if match := pattern.search(prompt):
            raise InputError(
                f"the prompt holds {words}, {match[0]}, and genai gives all steps the same prompt",
                hint="write one of its words alone; \\[ and \\] are plain brackets",
            )
