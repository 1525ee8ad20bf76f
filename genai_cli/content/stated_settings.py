"""What the web UI's form states beside prompt, steps, sampler, seed and size: taken over, asked for, or named.

The names: https://github.com/AUTOMATIC1111/stable-diffusion-webui/blob/master/modules/processing.py (create_infotext)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from genai_cli.types import JsonObject

# Read elsewhere, or of no effect on the pixels.
KNOWN_NAMES = """
prompt negative_prompt steps sampler schedule_type cfg_scale distilled_cfg_scale seed size width height model model_hash
vae vae_hash clip_skip lora_hashes ti_hashes hashes version batch_size batch_pos user created_date
template negative_template civitai_resources civitai_metadata
"""
KNOWN = frozenset(KNOWN_NAMES.split())
# Values that change nothing, or that genai has anyway: its noise is drawn on the processor.
PLAIN = {"rng": "cpu", "emphasis": "original"}
SWITCHED_OFF = frozenset({"", "none", "false", "automatic"})
MOST_NAMED, LONGEST = 50, 40
HASHES = re.compile(r"([^,:]+):\s*([0-9a-fA-F]+)")


@dataclass(frozen=True)
class Settings:
    """What shapes a picture beside the fields of a request."""

    vae: str | None = None
    """The name of the VAE's file."""
    vae_hash: str | None = None
    """The beginning of its SHA-256."""
    loras: Mapping[str, str] = field(default_factory=dict)
    """The hashes of LoRAs by their names: the beginning of the SHA-256 of the tensors alone."""
    beside: Mapping[str, float] = field(default_factory=dict)
    """The weights of LoRAs that do not stand in the prompt, by the names of their files."""
    embeddings: tuple[str, ...] = ()
    """The words of embeddings (textual inversions)."""
    others: tuple[str, ...] = ()
    """What genai has no option for: `Hires upscale 2`."""


def read_settings(values: JsonObject) -> Settings:
    """The settings of the last line of the web UI's form, with names in lower case and `_`."""
    vae = read_text(values.get("vae"))
    return Settings(
        vae=None if vae is None or vae.lower() in SWITCHED_OFF else vae,
        vae_hash=read_text(values.get("vae_hash")),
        loras=read_hashes(values.get("lora_hashes")),
        embeddings=tuple(read_hashes(values.get("ti_hashes"))),
        others=tuple(list_others(values))[:MOST_NAMED],
    )


def read_invoke_settings(values: JsonObject) -> Settings:
    """The VAE and the LoRAs in InvokeAI's metadata, whose models have a name each."""
    stated = values.get("loras")
    loras: dict[str, float] = {}
    for entry in stated[:MOST_NAMED] if isinstance(stated, list) else []:
        if isinstance(entry, dict):
            name, weight = name_invoke_model(entry.get("model") or entry.get("lora")), entry.get("weight")
            if name and isinstance(weight, int | float):
                loras[name] = float(weight)
    return Settings(vae=name_invoke_model(values.get("vae")), beside=loras)


def name_invoke_model(value: object) -> str | None:
    """The name of a model in InvokeAI's metadata."""
    return read_text(value.get("name") or value.get("model_name")) if isinstance(value, dict) else None


def list_others(values: JsonObject) -> list[str]:
    """The settings that genai has no option for, in words."""
    found = []
    for name, value in values.items():
        text = read_text(value)
        if not name or name in KNOWN or text is None or text.lower() in SWITCHED_OFF | {PLAIN.get(name)}:
            continue
        words = name.replace("_", " ")
        found.append(f"{words[:1].upper()}{words[1:LONGEST]} {text[:LONGEST]}")
    return found


def read_clip_skip(values: JsonObject) -> int | None:
    """Which layer of the text encoder counts, from its end; None for the last one, which is the model's own."""
    text = read_text(values.get("clip_skip")) or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 and int(text) > 1 else None


def read_hashes(value: object) -> dict[str, str]:
    """`name: hash, name: hash` by names."""
    text = read_text(value) or ""
    return {match[1].strip(): match[2].lower() for match in HASHES.finditer(text)}


def read_text(value: object) -> str | None:
    """A stated value as a text; None for nothing and for what is not a single value."""
    return str(value).strip() or None if isinstance(value, str | int | float) else None
