"""How many bytes a model still needs, told without writing anything."""

import shutil
from pathlib import Path
from typing import Any

from genai_cli.errors import GenaiError, NetworkError
from genai_cli.model.choice import choose
from genai_cli.model.client import connection, describe
from genai_cli.model.failures import hub_failure
from genai_cli.model.files import FetchOptions
from genai_cli.model.hub import is_offline
from genai_cli.model.names import ModelReference
from genai_cli.model.storage import names_in, read_json, snapshot_folder


def bytes_to_fetch(reference: ModelReference, options: FetchOptions) -> int | None:
    """What is to be downloaded of a pinned model: 0 where all is at hand, None where the hub cannot be asked.

    Raises the GenaiError of a model that is not to be had.
    """
    folder = reference.folder or snapshot_folder(reference)
    if reference.folder is not None or is_at_hand(reference, folder, options):
        return 0
    if is_offline(options.offline):
        return None
    try:
        with connection(lambda _event: None):
            return missing_bytes(reference, folder, options)
    except Exception as error:
        failure = hub_failure(error, reference)
        if isinstance(failure, NetworkError):
            return None
        raise failure from error


def is_at_hand(reference: ModelReference, folder: Path, options: FetchOptions) -> bool:
    """Whether the cache holds all files of the choice."""
    try:
        choose(reference, names_in(folder), lambda name: read_json(folder, name), options)
    except GenaiError:
        return False
    return True


def missing_bytes(reference: ModelReference, folder: Path, options: FetchOptions) -> int:
    """The sizes, as the hub states them, of the files of the choice that are not at hand."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    def read(name: str) -> dict[str, Any]:
        url = hf_hub_url(reference.id, name, revision=reference.revision)
        response = get_session().get(url, headers=build_hf_headers())
        hf_raise_for_status(response)
        return dict(response.json())

    info = describe(reference.id, str(reference.revision), files=True)
    sizes = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or []}
    choice = choose(reference, sizes, read, options)
    return sum(sizes[name] for name in choice.files if not (folder / name).exists())


def free_disk() -> int:
    """The free bytes of the disk that the cache is on."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    return shutil.disk_usage(next(parent for parent in (cache, *cache.absolute().parents) if parent.exists())).free
