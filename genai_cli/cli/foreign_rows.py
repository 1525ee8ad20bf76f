"""What another tool's picture says of how it was made, as a row that makes it again, and what is left out."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path

from genai_cli.cli.foreign_loras import Say, place_loras
from genai_cli.cli.record_rows import SHOWS, find_replaced
from genai_cli.cli.run import RunOptions
from genai_cli.content.foreign import Foreign
from genai_cli.errors import InputError
from genai_cli.events import Notice
from genai_cli.modality.diffusion.weighted_prompts import needs_weights, parse_weighted
from genai_cli.modality.registry import list_modalities
from genai_cli.request.adapter import Vae
from genai_cli.request.option import declared_options
from genai_cli.request.request import PROMPT, Request, list_inputs
from genai_cli.types import JsonObject

NEGATIVE, WEIGHTS = "negative_prompt", "weights"
SHOWN = 8  # settings that are named one by one
SHORT_HASH = 10


def build_foreign_row(
    foreign: Foreign | None, changes: Mapping[str, object], file: Path, options: RunOptions
) -> JsonObject:
    """The request that another tool's picture states, as a row, with the model that the user names.

    What shaped the picture and is not taken over is said. Raises InputError if no model is named, or no prompt known.
    """
    if foreign is None or PROMPT not in foreign.request:
        raise InputError(f"{file} was written by another tool, and its prompt is not known", hint=SHOWS)
    tool = f" ({foreign.tool})" if foreign.tool else ""
    if "model" not in changes:
        names = f"; it names the model {foreign.model}" if foreign.model else ""
        raise InputError(
            f"{file} was written by another tool{tool}, and genai does not know its model",
            hint=f"-m MODEL makes it with the prompt and the parameters that the file states{names}",
        )
    console = options.make_console(1)
    request_class = find_picture_request()
    replaced, declared = find_replaced(changes, request_class, file), declared_options(request_class)
    row = {name: value for name, value in foreign.request.items() if name == PROMPT or name in declared}
    row = {name: value for name, value in row.items() if name not in replaced}
    placed: JsonObject = {}
    if WEIGHTS in declared:
        placed = place_loras(foreign, {**row, **changes}, lambda text: console.emit(Notice(text)))
        row |= weigh_prompts(foreign, {**row, **changes, **placed}, lambda text: console.emit(Notice(text)))
    for text in list_left_out(foreign, changes, replaced):
        console.emit(Notice(text))
    return {"task": request_class.task, **row, **changes, **placed}


def weigh_prompts(foreign: Foreign, row: JsonObject, say: Say) -> JsonObject:
    """The fields of a row with which its prompts are read as the tool read them."""
    prompts = (str(row[PROMPT]), str(row.get(NEGATIVE) or ""))
    if not foreign.is_weighted or WEIGHTS in row or not any(map(needs_weights, prompts)):
        return {}
    try:
        for text in prompts:
            parse_weighted(text)
    except InputError as error:
        say(f"{error.message}; the prompts are read as plain words")
        return {}
    return {WEIGHTS: True}


def list_left_out(foreign: Foreign, changes: Mapping[str, object], replaced: set[str]) -> Iterator[str]:
    """What shaped the picture and is not taken over, each in a line."""
    settings = foreign.settings
    scheduler = foreign.request.get("scheduler")
    if foreign.sampler and not (scheduler and foreign.exact) and "scheduler" not in replaced | set(changes):
        named = (
            foreign.sampler if scheduler is None or not foreign.schedule else f"{foreign.sampler} {foreign.schedule}"
        )
        used = scheduler or "the model's own scheduler"
        yield f"genai has no sampler like {named!r}; {used} is used"
    vae, stated = changes.get("vae"), settings.vae_hash
    if settings.vae and vae is None:
        hashed = f" (hash {stated})" if stated else ""
        yield f"the file names the VAE {settings.vae}{hashed}, which is not used; --vae FILE_OR_NAME names it"
    elif stated and isinstance(vae, Vae) and vae.sha256 and not vae.sha256.startswith(stated.lower()):
        yield f"the VAE {vae.name} is another one: its hash is {vae.sha256[:SHORT_HASH]}, and the file names {stated}"
    if settings.embeddings and "embedding" not in changes:
        names = ", ".join(settings.embeddings[:SHOWN])
        yield f"the file names the embeddings {names}, which are not used; --embedding FILE names one"
    if settings.others:
        named = ", ".join(settings.others[:SHOWN])
        more = f", and {len(settings.others) - SHOWN} more" if len(settings.others) > SHOWN else ""
        enlarge = "; genai edit --upscale enlarges" if any(text.startswith("Hires") for text in settings.others) else ""
        yield f"the file also states {named}{more}, which genai leaves out{enlarge}"


def find_picture_request() -> type[Request]:
    """The request of the task that makes pictures from words alone. Raises InputError if no task does."""
    for modality in list_modalities():
        request = modality.request
        if ".png" in modality.content.suffixes and request.subject == PROMPT and not needs_files(request):
            return request
    raise InputError("no task makes pictures from words")


def needs_files(request_class: type[Request]) -> bool:
    """Whether no request of the class can be made without a file."""
    names = list_inputs(request_class)
    return any(field.name in names and field.default is MISSING for field in fields(request_class))
