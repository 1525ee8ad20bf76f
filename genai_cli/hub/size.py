"""How many bytes of a model are still missing. Counting them writes nothing."""

import json
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from genai_cli.atomic import find_existing
from genai_cli.errors import ModelError, NetworkError
from genai_cli.events import ignore
from genai_cli.hub.client import allow_requests
from genai_cli.hub.download import WEIGHTS, Repository
from genai_cli.hub.failures import explain_failure
from genai_cli.hub.fetching import is_offline
from genai_cli.hub.files import FetchOptions, select_model_files
from genai_cli.hub.intact import check_size
from genai_cli.hub.reference import ModelReference
from genai_cli.hub.storage import list_names, locate_snapshot, read_json
from genai_cli.types import JsonObject


def count_bytes_to_fetch(reference: ModelReference, options: FetchOptions) -> int | None:
    """How many bytes of a pinned model have to be downloaded: 0 if it is complete, None if the hub cannot be asked.

    Raises ModelError, RefusedError or InputError if the model cannot be used.
    """
    folder = reference.folder or locate_snapshot(reference)
    if reference.folder is not None or is_cached(reference, folder, options):
        return 0
    if is_offline(options.access.offline):
        return None
    try:
        with allow_requests(ignore):
            return count_missing_bytes(reference, options)
    except Exception as error:
        failure = explain_failure(error, reference)
        if isinstance(failure, NetworkError):
            return None
        raise failure from error


@contextmanager
def open_settings(reference: ModelReference, names: Collection[str], offline: bool) -> Iterator[Path | None]:
    """A folder with those of the named files that a pinned model has: its own, or for a while what the hub sends.

    None where the hub cannot be asked. Raises ModelError, NetworkError.
    """
    folder = reference.folder or locate_snapshot(reference)
    if reference.folder is not None or any((folder / name).is_file() for name in names):
        yield folder
        return
    if is_offline(offline):
        yield None
        return
    with TemporaryDirectory(prefix="genai-") as place:
        try:
            with allow_requests(ignore):
                for name in Repository(reference).sizes.keys() & set(names):
                    file = Path(place, name)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(json.dumps(read_remote(reference, name)), encoding="utf-8")
        except Exception as error:
            raise explain_failure(error, reference) from error
        yield Path(place)


def is_cached(reference: ModelReference, folder: Path, options: FetchOptions) -> bool:
    """Whether the cache has all files that are needed, whole. Raises RefusedError, InputError."""
    try:
        choice = select_model_files(reference, list_names(folder), lambda name: read_json(folder, name), options)
        for name in choice.files:
            if name.endswith(WEIGHTS):
                check_size(folder / name)
    except ModelError:
        return False
    return True


def count_missing_bytes(reference: ModelReference, options: FetchOptions) -> int:
    """The sizes, as the hub states them, of the needed files that are not in the cache.

    Raises GenaiError and the library's errors.
    """
    repository = Repository(reference)
    choice = select_model_files(reference, repository.sizes, lambda name: read_remote(reference, name), options)
    return repository.count_missing_bytes(choice)


def read_remote(reference: ModelReference, name: str) -> JsonObject:
    """A JSON file of a pinned model on the hub. Raises the library's errors, ValueError."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    response = get_session().get(
        hf_hub_url(reference.id, name, revision=reference.revision), headers=build_hf_headers()
    )
    hf_raise_for_status(response)
    return dict(response.json())


def measure_free_disk() -> int:
    """The free bytes of the disk that the cache is on."""
    from huggingface_hub import constants

    return shutil.disk_usage(find_existing(Path(constants.HF_HUB_CACHE))).free
