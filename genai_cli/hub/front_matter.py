"""What a model card states in its front matter: fields that a program can rely on. Its prose is for people.

Form: https://huggingface.co/docs/hub/model-cards#model-card-metadata
"""

from pathlib import Path

from genai_cli.hub.files import CARD
from genai_cli.types import JsonObject

MOST_BYTES = 1_000_000  # the front matter stands at the beginning
MARK = "---"
MOST_STATED, LONGEST = 200, 200


def read_front_matter(folder: Path, names: tuple[str, ...]) -> JsonObject:
    """What the card in a folder states under some names; {} without a card, and for one that cannot be read."""
    try:
        with (folder / CARD).open("rb") as stream:
            text = stream.read(MOST_BYTES).decode("utf-8-sig", errors="replace")
    except OSError:
        return {}
    if not text.lstrip().startswith(MARK):
        return {}
    from huggingface_hub import ModelCard

    try:
        stated = ModelCard(text, ignore_metadata_errors=True).data
    except Exception:  # YAML of anyone's: its reader, and what makes a card of it, raise errors of many types
        return {}
    return {name: stated.get(name) for name in names}


def list_tags(folder: Path) -> tuple[str, ...]:
    """The tags and the base models that the card in a folder states."""
    found: list[str] = []
    for value in read_front_matter(folder, ("tags", "base_model")).values():
        several = value if isinstance(value, list) else [value]
        found += [text[:LONGEST] for text in several if isinstance(text, str)]
    return tuple(found[:MOST_STATED])
