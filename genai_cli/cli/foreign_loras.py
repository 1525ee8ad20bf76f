"""The LoRAs that another tool's picture names: looked up by name, and by hash where files were renamed."""

from collections.abc import Callable, Iterator
from pathlib import Path, PureWindowsPath

from genai_cli.content.foreign import Foreign
from genai_cli.errors import GenaiError, InputError
from genai_cli.hub.hashes import hash_after, hash_file
from genai_cli.hub.weights_file import SUFFIX, read_header
from genai_cli.modality.diffusion.adaptable import find_in
from genai_cli.modality.diffusion.weighted_prompts import find_lora_tags, remove_lora_tags
from genai_cli.request.adapter import Lora
from genai_cli.request.request import PROMPT
from genai_cli.types import JsonObject

LORA, FOLDER = "lora", "lora_dir"
OWN_HASH = "sshs_model_hash"  # of the tensors alone, as kohya's trainer writes it into the file

Say = Callable[[str], None]


def place_loras(foreign: Foreign, row: JsonObject, say: Say) -> JsonObject:
    """The fields of a row with the LoRAs that the file names, in its prompt or beside it, and the prompt without them.

    Raises InputError for one that is not in the folder that the row names.
    """
    prompt = str(row[PROMPT])
    named = list_named(foreign, prompt)
    loras = [Lora.find(lora, Path(), LORA) for lora in row.get(LORA) or ()]
    given = {Path(lora.name).stem.lower(): lora for lora in loras}
    hashes = {name.lower(): stated for name, stated in foreign.settings.loras.items()}
    absent = []
    for name, weight in named.items():
        stated, lora = hashes.get(name.lower()), given.get(name.lower())
        if lora is None and row.get(FOLDER):
            lora = find_named(name, weight, stated, Path(str(row[FOLDER])).expanduser(), say)
            loras.append(lora)
        if lora is None:
            absent.append(name)
        elif stated and lora.path is not None:
            say_if_other(name, lora.path, stated, say)
    if absent:
        say(f"the file names the LoRAs {', '.join(absent)}, which are not used; --lora-dir FOLDER says where they lie")
    found: JsonObject = {LORA: tuple(loras)} if loras else {}
    return found | ({PROMPT: remove_lora_tags(prompt)} if find_lora_tags(prompt) else {})


def list_named(foreign: Foreign, prompt: str) -> dict[str, float]:
    """The weights of the LoRAs that a file names, by the names of their files without folders and suffixes."""
    found: dict[str, float] = {}
    stated = [*((tag.name, tag.weight) for tag in find_lora_tags(prompt)), *foreign.settings.beside.items()]
    for name, weight in stated:
        bare = PureWindowsPath(name).name.removesuffix(SUFFIX)
        found[bare] = found.get(bare, 0.0) + weight
    return found


def find_named(name: str, weight: float, stated: str | None, folder: Path, say: Say) -> Lora:
    """A LoRA in a folder, by its name, or else by the hash that the file states. Raises InputError."""
    try:
        return find_in(Lora(wanted=name, name=name, weight=weight), folder)
    except InputError:
        path = find_by_hash(stated, folder) if stated else None
        if path is None:
            raise
    say(f"the LoRA {name} is {path.name} there, by its hash")
    return Lora.locate(str(path), {"weight": weight}, Path())


def find_by_hash(stated: str, folder: Path) -> Path | None:
    """The file of a folder with a hash that begins so. What files state of themselves is read before any is hashed."""
    files = sorted(path for path in folder.rglob(f"*{SUFFIX}") if path.is_file())
    for list_hashes in (read_own_hash, compute_hashes):
        for path in files:
            try:
                if any(found.startswith(stated) for found in list_hashes(path)):
                    return path
            except (GenaiError, OSError):
                continue  # no file of weights, or one that cannot be read
    return None


def read_own_hash(path: Path) -> Iterator[str]:
    """The hash that a LoRA states of itself."""
    yield read_header(path).metadata.get(OWN_HASH, "").lower()


def compute_hashes(path: Path) -> Iterator[str]:
    """The hashes by which other tools know a LoRA: of its tensors alone, and of the whole file."""
    yield hash_after(path, read_header(path).data_start)
    yield hash_file(path)


def say_if_other(name: str, path: Path, stated: str, say: Say) -> None:
    """Say that a LoRA has the name that a file states, and not its hash."""
    try:
        hashes = [*read_own_hash(path), *compute_hashes(path)]
    except (GenaiError, OSError):
        return  # it is read once more where it is needed, which says what is wrong
    if not any(found.startswith(stated) for found in hashes):
        say(f"the LoRA {name} is another one: its hash is {hashes[1][: len(stated)]}, and the file names {stated}")
