"""Which modalities there are: one line each. Packages of others add theirs as entry points of `genai.modalities`.

A modality is imported when it is asked for, so that a command's help does not wait for the others.
"""

import functools
import importlib
import sys
from dataclasses import dataclass
from glob import escape, glob
from typing import TYPE_CHECKING

from genai_cli.errors import InputError, nearest

if TYPE_CHECKING:
    from collections.abc import Collection
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from genai_cli.hub.catalog import Catalog
    from genai_cli.modality.modality import Modality
    from genai_cli.request.openai_rows import Endpoint
    from genai_cli.request.request import Request

ENTRY_POINTS = "genai.modalities"


@dataclass(frozen=True)
class Entry:
    """A task, where its class is, and what its command does; `problem` says why the class cannot be loaded."""

    task: str
    place: str
    summary: str
    problem: str | None = None


REGISTRY = (
    Entry("image", "genai_cli.modality.image:Image", "Make pictures: PNG, or JPEG and WebP by the name given."),
    Entry("edit", "genai_cli.modality.edit:Edit", "Change pictures: whole, a masked part, or by an instruction."),
    Entry("upscale", "genai_cli.modality.upscale:Upscale", "Make pictures 2 or 4 times as large."),
    Entry(
        "text", "genai_cli.modality.text:Text", "Continue a prompt, or answer it: streamed to stdout, and TXT with -o."
    ),
    Entry(
        "classify",
        "genai_cli.modality.classify:Classify",
        "Label texts: LABEL and SCORE, a line each, and TXT with -o.",
    ),
    Entry(
        "embed",
        "genai_cli.modality.embed:Embed",
        "Turn texts and pictures into vectors: JSON lines, or NPY with -o; --near finds.",
    ),
    Entry(
        "describe", "genai_cli.modality.describe:Describe", "Say what a picture shows, or answer a question about it."
    ),
    Entry(
        "detect",
        "genai_cli.modality.detect:Detect",
        "Find things in pictures: LABEL SCORE X Y WIDTH HEIGHT, a line each, and boxes drawn with -o.",
    ),
    Entry("audio", "genai_cli.modality.audio:Audio", "Make sound: WAV, or FLAC, Ogg, Opus and MP3 by the name given."),
    Entry(
        "speak",
        "genai_cli.modality.speak:Speak",
        "Read texts aloud: WAV, or FLAC, Ogg, Opus and MP3 by the name given.",
    ),
    Entry(
        "transcribe",
        "genai_cli.modality.transcribe:Transcribe",
        "Write speech down: streamed to stdout, and TXT, SRT, VTT, TSV or JSON.",
    ),
)


@functools.cache
def list_entries() -> dict[str, Entry]:
    """All modalities by their tasks: genai's own, then those of other packages."""
    own = {entry.task: entry for entry in REGISTRY}
    if not has_entry_points():
        return own
    from importlib.metadata import entry_points

    others = {point.name: read_entry(point) for point in entry_points(group=ENTRY_POINTS)}
    return {**own, **{task: entry for task, entry in others.items() if task not in own}}


def read_entry(point: "EntryPoint") -> Entry:
    """The line of another package's modality: its class says in its first line what the command does."""
    try:
        words = (point.load().__doc__ or point.value).strip().splitlines()[0]
    except Exception as error:  # whatever is wrong with it, all else goes on
        problem = f"{type(error).__name__}: {error}"
        return Entry(point.name, point.value, f"(cannot be loaded: {problem})", problem)
    return Entry(point.name, point.value, words)


def has_entry_points() -> bool:
    """Whether an installed package may add a modality; to ask Python's own reader takes a start 25 ms."""
    group = f"[{ENTRY_POINTS}]".encode()
    for folder in sys.path:
        for metadata in glob(f"{escape(folder)}/*-info/entry_points.txt"):  # noqa: PTH207 (path objects take longer)
            with open(metadata, "rb") as file:  # noqa: PTH123
                if group in file.read():
                    return True
    return False


def find_entry(task: str) -> Entry | None:
    """A task's line; packages of others are looked at only where the task is not genai's own."""
    own = next((entry for entry in REGISTRY if entry.task == task), None)
    return own or list_entries().get(task)


@functools.cache
def find_modality(task: str) -> "type[Modality[Request]]":
    """The class of a task. Raises InputError where there is no such task."""
    entry = find_entry(task)
    if entry is None:
        tasks = list(list_entries())
        hint = nearest(task, tasks) or f"one of {', '.join(tasks)}"
        raise InputError(f"unknown task {task!r}", hint=hint)
    if entry.problem is not None:
        hint = f"update or remove the package of {entry.place}"
        raise InputError(f"the modality {task} cannot be loaded: {entry.problem}", hint=hint)
    module, _, name = entry.place.partition(":")
    found: type[Modality[Request]] = getattr(importlib.import_module(module), name)
    return found


def list_modalities() -> "list[type[Modality[Request]]]":
    """The classes of all tasks that can be loaded."""
    return [find_modality(entry.task) for entry in list_entries().values() if entry.problem is None]


def list_companions(folder: "Path") -> list[str]:
    """The other repositories that the model in a folder needs, for whichever task."""
    return list(dict.fromkeys(name for modality in list_modalities() for name in modality.find_companions(folder)))


@functools.cache
def list_requests() -> "dict[str, type[Request]]":
    """The request class of each task."""
    return {modality.request.task: modality.request for modality in list_modalities()}


@functools.cache
def load_catalog() -> "Catalog":
    """The models that all tasks have by name."""
    from genai_cli.hub.catalog import Catalog

    tasks = tuple(entry.task for entry in list_entries().values() if entry.problem is None)
    return Catalog(tasks, lambda task: find_modality(task).models)


def check_compiler_tasks(compiler: str | None, tasks: "Collection[str]") -> None:
    """Raise InputError for a compiler that is for none of the tasks."""
    modalities = [find_modality(task) for task in tasks]
    if compiler is not None and not any(one.compiles for one in modalities):
        raise InputError(f"--compiler {compiler} is not for {' and '.join(sorted(tasks))}", hint="leave it out")


@functools.cache
def list_endpoints() -> "dict[str, tuple[str, Endpoint]]":
    """The task and the endpoint of each address of OpenAI's API."""
    pairs = [(modality.request.task, endpoint) for modality in list_modalities() for endpoint in modality.endpoints]
    return {endpoint.url: (task, endpoint) for task, endpoint in pairs}
