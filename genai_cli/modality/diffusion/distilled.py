"""LoRAs that make a model of few steps: which scheduler, steps and guidance they need, told by name, metadata or card.

What their cards state: https://huggingface.co/latent-consistency/lcm-lora-sdv1-5,
https://huggingface.co/ByteDance/Hyper-SD, https://huggingface.co/ByteDance/SDXL-Lightning and
https://huggingface.co/stabilityai/sdxl-turbo.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from genai_cli.errors import GenaiError
from genai_cli.hub.weights_file import read_header
from genai_cli.request.adapter import Lora

STEPS = re.compile(r"(\d{1,2})[-_ ]?steps?", re.IGNORECASE)
MOST_STEPS = 16


@dataclass(frozen=True)
class Distilled:
    """What a distilled LoRA needs."""

    words: str
    scheduler: str
    steps: int
    guidance: float = 1.0


@dataclass(frozen=True)
class Found:
    """A distilled LoRA among those of a request: its name, what it needs, and whether its card told."""

    name: str
    kind: Distilled
    by_card: bool


# By a part of the name, or of what the file's metadata says it was trained with; the first that is there.
KINDS = {
    "lcm": Distilled("LCM", "lcm", 4),
    "hyper": Distilled("Hyper-SD", "ddim-trailing", 8),
    "lightning": Distilled("Lightning", "euler-trailing", 4),
    "turbo": Distilled("Turbo", "euler-trailing", 4),
}
METADATA = ("modelspec.title", "ss_output_name", "ss_network_module", "modelspec.tags")
# Hyper is the beginning of many words, as of hyperrealism.
PARTS = {**{part: part for part in KINDS}, "hyper": r"hyper[-_ ]?(sd|xl|flux|\d)"}
NAMED = {part: re.compile(rf"(?<![a-z]){pattern}", re.IGNORECASE) for part, pattern in PARTS.items()}
# In tags and base models, whose words are joined by `-`. A tag says what a LoRA draws, too: lightning, a Porsche Turbo.
TAGGED = {
    "lcm": re.compile(r"\blcm\b|\blatent-consistency\b"),
    "hyper": re.compile(r"\bhyper-?sd"),
    "lightning": re.compile(r"\b(sd|sdxl|xl)-lightning\b"),
    "turbo": re.compile(r"\b(sd|sdxl|xl)-turbo\b"),
}


def find_distilled(loras: Iterable[Lora]) -> Found | None:
    """The first LoRA that makes a model of few steps, with the steps that are stated; a name goes before a card."""
    several = list(loras)
    for lora in several:
        texts = [lora.name, lora.wanted, *read_metadata(lora)]
        if kind := choose_kind(NAMED, texts, texts):
            return Found(lora.name, kind, by_card=False)
    for lora in several:
        tags = [re.sub(r"[\s_]", "-", tag.lower()) for tag in lora.tags or ()]
        if kind := choose_kind(TAGGED, tags, [lora.name, *tags]):
            return Found(lora.name, kind, by_card=True)
    return None


def choose_kind(patterns: Mapping[str, re.Pattern[str]], texts: list[str], stating: list[str]) -> Distilled | None:
    """The first kind that one of the texts names, with the steps that are stated; None if none is named."""
    for part, pattern in patterns.items():
        if any(pattern.search(text) for text in texts):
            return replace(KINDS[part], steps=read_steps(stating, KINDS[part]))
    return None


def read_steps(texts: Iterable[str], kind: Distilled) -> int:
    """The steps that a name states (`Hyper-SD15-8steps-lora`), else those of its kind."""
    stated = (int(match[1]) for text in texts for match in [STEPS.search(text)] if match)
    return next((steps for steps in stated if 0 < steps <= MOST_STEPS), kind.steps)


def read_metadata(lora: Lora) -> list[str]:
    """What a file on this machine says of itself."""
    try:
        metadata = read_header(lora.path).metadata if lora.path else {}
    except GenaiError:
        return []  # the look at all adapters, which comes later, says what is wrong
    return [metadata[name] for name in METADATA if name in metadata]
