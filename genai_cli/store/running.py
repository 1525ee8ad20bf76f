"""A note beside a batch's manifest while the batch runs: how many items it has. Whoever shows the folder reads it."""

import contextlib
import json
from pathlib import Path

from genai_cli.atomic import is_abandoned, make_process_tag, replace_file
from genai_cli.store.json_lines import parse_object

NOTE = "-items.genai-run"  # the end of its name, behind the mark of the process


def note_run(folder: Path, items: int) -> Path:
    """Note that this process makes so many items in a folder, and return the note. Raises OSError."""
    note = folder / f".{make_process_tag()}{NOTE}"
    replace_file(note, json.dumps({"items": items}).encode(), make_process_tag())
    return note


def read_runs(folder: Path) -> int | None:
    """How many items the batches have that run in a folder; the most of one, since shards share theirs.

    None where none runs: what a killed run left does not count.
    """
    counts = []
    for note in folder.glob(f".*{NOTE}"):
        with contextlib.suppress(OSError):
            stated = None if is_abandoned(note) else parse_object(note.read_bytes())
            if stated is not None and isinstance(stated.get("items"), int):
                counts.append(stated["items"])
    return max(counts, default=None)


def remove_abandoned(folder: Path) -> None:
    """Remove the notes of runs that were killed."""
    for note in folder.glob(f".*{NOTE}"):
        with contextlib.suppress(OSError):
            if is_abandoned(note):
                note.unlink()
