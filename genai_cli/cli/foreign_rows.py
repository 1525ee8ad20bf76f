"""What another tool's picture says of how it was made, as a row that makes it again, and what is left out."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path

from genai_cli.cli.record_rows import SHOWS, find_replaced
from genai_cli.cli.run import RunOptions
from genai_cli.content.foreign import Foreign
from genai_cli.errors import GenaiError, InputError
from genai_cli.events import Notice
from genai_cli.hub.hashes import hash_after
from genai_cli.hub.weights_file import read_header
from genai_cli.modality.diffusion.adaptable import find_in
from genai_cli.modality.diffusion.weighted_prompts import (
    find_lora_tags,
    needs_weights,
    parse_weighted,
    remove_lora_tags,
)
from genai_cli.modality.registry import list_modalities
from genai_cli.request.adapter import Lora, Vae
from genai_cli.request.option import declared_options
from genai_cli.request.request import PROMPT, Request, list_inputs
from genai_cli.types import JsonObject

NEGATIVE, WEIGHTS = "negative_prompt", "weights"
SHOWN = 8  # settings that are named one by one
SHORT_HASH = 10

Say = Callable[[str], None]


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
    if WEIGHTS in declared:
        row |= weigh_prompts(foreign, {**row, **changes}, lambda text: console.emit(Notice(text)))
    for text in list_left_out(foreign, changes, replaced):
        console.emit(Notice(text))
    return {"task": request_class.task, **row, **changes}


def weigh_prompts(foreign: Foreign, row: JsonObject, say: Say) -> JsonObject:
    """The fields of a row with which its prompts are read as the tool read them."""
    found: JsonObject = {}
    prompt = str(row[PROMPT])
    tags = find_lora_tags(prompt)
    if tags and {"lora", "lora_dir"} & set(row):
        say_other_loras(foreign, row, say)
        return {WEIGHTS: True}  # which looks them up, and takes the weights that they are written with
    if tags:
        names = ", ".join(dict.fromkeys(tag.name for tag in tags))
        say(f"the file names the LoRAs {names}, which are not used; --lora-dir FOLDER says where they lie")
        found[PROMPT] = prompt = remove_lora_tags(prompt)
    prompts = (prompt, str(row.get(NEGATIVE) or ""))
    if not foreign.is_weighted or WEIGHTS in row or not any(map(needs_weights, prompts)):
        return found
    try:
        for text in prompts:
            parse_weighted(text)
    except InputError as error:
        say(f"{error.message}; the prompts are read as plain words")
        return found
    return {**found, WEIGHTS: True}


def say_other_loras(foreign: Foreign, row: JsonObject, say: Say) -> None:
    """Say which LoRAs have the names that the file states, and not the hashes."""
    given = row.get("lora")
    several = given if isinstance(given, tuple) else ()
    known = {Path(lora.name).stem.lower(): lora for lora in several if isinstance(lora, Lora)}
    folder = row.get("lora_dir")
    for name, stated in foreign.settings.loras.items():
        try:
            lora = known.get(name.lower())
            if lora is None and folder:
                lora = find_in(Lora(wanted=name, name=name), Path(str(folder)))
            if lora is None or lora.path is None:
                continue
            hashes = lora.sha256, hash_after(lora.path, read_header(lora.path).data_start)
        except GenaiError:
            continue  # looked up once more where it is needed, which says what is wrong
        if not any(found.startswith(stated) for found in hashes):
            say(f"the LoRA {name} is another one: its hash is {hashes[1][: len(stated)]}, and the file names {stated}")


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
