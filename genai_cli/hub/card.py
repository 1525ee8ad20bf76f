"""What a model card says that a user should know before use.

Form of the card: https://huggingface.co/docs/hub/model-cards
"""

import re
from dataclasses import dataclass

from genai_cli.hub.license import name_license

HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
USE = re.compile(r"\buses?\b|\bintended\b|\bis for\b|\bnot for\b", re.IGNORECASE)
LIMITS = re.compile(r"\bmissed\b|\blimit|\bbias|\brisk|\bnot for\b|\bout-of-scope\b|\bmeasured\b", re.IGNORECASE)


@dataclass(frozen=True)
class Card:
    """A model's task and licence, what its card begins with, and its sections on use and on limitations."""

    task: str | None
    license: str | None
    opening: str
    sections: tuple[tuple[str, str], ...]

    def list_uses(self) -> list[str]:
        """The texts of the sections on use alone."""
        return [body for title, body in self.sections if USE.search(title)]


def parse_card(text: str) -> Card:
    """What the front matter of a card states, and the sections that matter, each as (heading, text)."""
    from huggingface_hub import ModelCard

    card = ModelCard(text, ignore_metadata_errors=True)
    task, license = card.data.get("pipeline_tag"), name_license(card.data.get("license"), card.data.get("license_name"))
    sections = split_sections(card.text)
    wanted = tuple((title, body) for title, body in sections if USE.search(title) or LIMITS.search(title))
    return Card(task and str(task), license, sections[0][1] if sections else "", wanted)


def split_sections(text: str) -> list[tuple[str, str]]:
    """The sections of a Markdown text, each as (heading, text). A `#` in a code block is not a heading."""
    found: list[tuple[str, list[str]]] = []
    in_code = False
    for line in text.splitlines():
        in_code ^= line.lstrip().startswith("```")
        heading = None if in_code else HEADING.match(line)
        if heading:
            found.append((heading[2], []))
        elif found:
            found[-1][1].append(line)
    return [(title, "\n".join(lines).strip()) for title, lines in found]
