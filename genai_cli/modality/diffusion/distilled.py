"""LoRAs that make a model of few steps: which scheduler, steps and guidance they need, told by names and metadata.

What their cards state: https://huggingface.co/latent-consistency/lcm-lora-sdv1-5,
https://huggingface.co/ByteDance/Hyper-SD, https://huggingface.co/ByteDance/SDXL-Lightning and
https://huggingface.co/stabilityai/sdxl-turbo.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

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


# By a part of the name, or of what the file's metadata says it was trained with; the first that is there.
KINDS = {
    "lcm": Distilled("LCM", "lcm", 4),
    "hyper": Distilled("Hyper-SD", "ddim-trailing", 8),
    "lightning": Distilled("Lightning", "euler-trailing", 4),
    "turbo": Distilled("Turbo", "euler-trailing", 4),
}
METADATA = ("modelspec.title", "ss_output_name", "ss_network_module", "modelspec.tags")


def find_distilled(loras: Iterable[Lora]) -> tuple[str, Distilled] | None:
    """The first LoRA that makes a model of few steps: its name, and what it needs with the steps of its name."""
    for lora in loras:
        texts = [lora.name, lora.wanted, *read_metadata(lora)]
        for part, kind in KINDS.items():
            pattern = re.compile(rf"(?<![a-z]){part}", re.IGNORECASE)
            if any(pattern.search(text) for text in texts):
                return lora.name, Distilled(kind.words, kind.scheduler, read_steps(texts, kind), kind.guidance)
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
