"""What licence a model is under, what the licence restricts, and whether the user allows it.

Identifiers: https://huggingface.co/docs/hub/repositories-licenses
"""

import re
from pathlib import Path

from genai_cli.errors import InputError, RefusedError
from genai_cli.hub.front_matter import read_front_matter

# Told by their names. RESEARCH_ONLY holds licences for research only whose names do not tell.
NON_COMMERCIAL = re.compile(r"(^|[-_. ])nc($|[-_. ])|non-?_?commercial|research", re.IGNORECASE)
RESEARCH_ONLY = {"apple-amlr", "apple-ascl", "mnpl", "mnpl-0.1", "mrl", "mrl-0.1", "deepfloyd-if-license"}
NOTHING_SAID = {"", "other", "unknown", "none"}
LONGEST_NAME = 200


def read_license(folder: Path) -> str | None:
    """The licence that the model card states in its front matter, or None if it states none."""
    stated = read_front_matter(folder, ("license", "license_name"))
    return name_license(stated.get("license"), stated.get("license_name"))


def name_license(identifier: object, name: object) -> str | None:
    """One name for the licence of a card: its identifier, or for `other` its name. Several are joined by commas."""
    stated = name if identifier == "other" and name else identifier
    parts = stated if isinstance(stated, list) else [stated]
    words = " ".join(", ".join(str(part) for part in parts if part).split())
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "", words)[:LONGEST_NAME] or None


def explain_license(model: str, license: str | None) -> str | None:
    """What a user should know about a licence before relying on it, or None if it needs no notice."""
    if license is None or license.lower() in NOTHING_SAID:
        return f"{model} states no licence: whether its results may be used is not known"
    if NON_COMMERCIAL.search(license) or license.lower() in RESEARCH_ONLY:
        return f"{model} is under {license}, which does not allow commercial use"
    return None


def parse_licenses(text: str | None) -> frozenset[str]:
    """The licences of `--require-license`, in lower case; empty without it. Raises InputError if it is blank."""
    if text is None:
        return frozenset()
    names = frozenset(name.strip().lower() for name in text.split(",") if name.strip())
    if not names:
        raise InputError("--require-license names no licence", hint="--require-license mit,apache-2.0")
    return names


def check_license(model: str, license: str | None, allowed: frozenset[str]) -> None:
    """Raise RefusedError if only some licences are allowed and this is not one of them. Of several, all have to be."""
    if not allowed:
        return
    stated = {name.strip().lower() for name in (license or "").split(",")}
    if not stated <= allowed:
        found = f"is under {license}" if license else "states no licence"
        raise RefusedError(
            f"{model} {found}, and only {', '.join(sorted(allowed))} may be used",
            hint="genai models show NAME shows the card; --require-license says what is allowed",
        )
