"""Fetching the files of a pinned commit: the checks before the first weight, and those when a file arrives."""

import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from genai_cli.atomic import find_existing
from genai_cli.errors import GenaiError, ModelError, NetworkError
from genai_cli.events import Emit, Notice, Progress
from genai_cli.hub.client import allow_requests, request_info
from genai_cli.hub.failures import explain_failure, name_model
from genai_cli.hub.files import CARD, FetchOptions, FileChoice, select_model_files
from genai_cli.hub.intact import check_noted, check_size, discard, note_unchecked
from genai_cli.hub.license import check_license, read_license
from genai_cli.hub.reference import ModelReference
from genai_cli.hub.safety import refuse_code_settings
from genai_cli.hub.storage import LARGEST_JSON, DamagedError, locate_snapshot, read_json
from genai_cli.sizes import show_bytes
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from huggingface_hub.utils import tqdm

WEIGHTS = ".safetensors"
NOTICED = 10**6  # bytes; what is less is there before it is read


def download(reference: ModelReference, options: FetchOptions, emit: Emit) -> FileChoice:
    """Download the files that are needed of a pinned commit.

    Kind, licence, code and free disk are checked before the first weight. Raises ModelError, NetworkError,
    RefusedError, InputError.
    """
    try:
        with allow_requests(emit):
            repository = Repository(reference)
            choice = repository.select_files(options)
            repository.fetch(choice, emit)
    except Exception as error:
        failure = name_model(explain_failure(error, reference), reference)
        raise failure from (None if isinstance(error, GenaiError) else error)
    return choice


class Repository:
    """The files of one commit on the hub, and the folder of the cache that holds them."""

    def __init__(self, reference: ModelReference) -> None:
        self.reference = reference
        self.folder = locate_snapshot(reference)
        listed = request_info(reference.id, str(reference.revision), files=True).siblings or []
        files = [file for file in listed if is_inside(file.rfilename)]
        self.sizes: dict[str, int | None] = {file.rfilename: file.size for file in files}
        self.hashes: dict[str, str] = {file.rfilename: file.lfs.sha256 for file in files if file.lfs}

    def select_files(self, options: FetchOptions) -> FileChoice:
        """The files to fetch, after every check that needs small files only.

        Raises ModelError, RefusedError, InputError, and NetworkError or the library's errors if a small file cannot be
        fetched.
        """
        choice = select_model_files(self.reference, self.sizes, self.read, options)
        if CARD in choice.files:
            self.ensure(CARD)
        check_license(self.reference.id, read_license(self.folder), options.access.licenses)
        check_disk(self.count_missing_bytes(choice), self.folder)
        refuse_code_settings(choice.files, self.read)
        return choice

    def count_missing_bytes(self, choice: FileChoice) -> int:
        """How many bytes have to be fetched."""
        return sum(self.sizes[name] or 0 for name in choice.files if not self.has(name))

    def fetch(self, choice: FileChoice, emit: Emit) -> None:
        """Fetch what is missing, the weights last, so that a repository with weights has everything else too.

        Raises DamagedError, NetworkError or the library's errors.
        """
        missing = self.count_missing_bytes(choice)
        if missing >= NOTICED:
            free = show_bytes(shutil.disk_usage(find_existing(self.folder)).free)
            emit(Notice(f"fetching {self.reference.id}: {show_bytes(missing)}; the disk has {free} free"))

        def report(fetched: int) -> None:
            emit(Progress(self.reference.id, min(fetched, missing), missing, items=0))

        report(0)
        counter = make_byte_counter(report)
        try:
            for name in sorted(choice.files, key=lambda name: name.endswith(WEIGHTS)):
                self.ensure(name, counter)
        except BaseException:  # an interrupt, too
            if missing >= NOTICED:
                kept = missing - self.count_missing_bytes(choice)
                rest = "the same command fetches the rest"
                emit(Notice(f"{show_bytes(kept)} of {show_bytes(missing)} of {self.reference.id} are kept; {rest}"))
            raise
        report(missing)  # another process may have fetched some of it

    def read(self, name: str) -> JsonObject:
        """One of the JSON files, fetched if it is missing. Raises ModelError if it is too large or broken."""
        if (self.sizes[name] or 0) > LARGEST_JSON:
            raise ModelError(f"{name} is broken: larger than {LARGEST_JSON >> 20} MiB")
        self.ensure(name)
        return read_json(self.folder, name)

    def has(self, name: str) -> bool:
        """Whether the cache has a file, as long as the hub says it is."""
        file = self.folder / name
        if not file.is_file() or self.sizes[name] not in (None, file.stat().st_size):
            return False
        try:
            if name.endswith(WEIGHTS):
                check_size(file)
        except DamagedError:
            return False
        return True

    def ensure(self, name: str, counter: "type[tqdm] | None" = None) -> None:
        """Fetch a file that is missing or cut off, and check one that is still unchecked.

        Raises DamagedError, NetworkError or the library's errors.
        """
        file = self.folder / name
        if not self.has(name):
            if file.is_symlink() or file.exists():
                discard(file)
            if name in self.hashes:
                note_unchecked(self.folder, name, self.hashes[name])
            download_file(self.reference, name, counter)
        check_noted(self.folder, name)


def download_file(reference: ModelReference, name: str, counter: "type[tqdm] | None" = None) -> None:
    """Download one file of a commit into the cache.

    The library for the hub's storage service (Xet) raises errors of many types, RuntimeError among them. Every error
    that is not one of the hub's library, of HTTP or of the system is therefore the storage service's. Raises
    NetworkError for it, and the other errors as they are.
    """
    from huggingface_hub import errors, hf_hub_download

    try:
        hf_hub_download(reference.id, name, revision=reference.revision, tqdm_class=counter or make_byte_counter())
    except (GenaiError, OSError, errors.HTTPError, errors.HFValidationError):
        raise
    except Exception as error:
        raise NetworkError(
            f"the hub's storage service failed: {error}", hint="HF_HUB_DISABLE_XET=1 does without it"
        ) from error


def is_inside(name: str) -> bool:
    """Whether the name of a file in a repository stays inside the repository."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name


def make_byte_counter(report: Callable[[int], None] | None = None) -> "type[tqdm]":
    """A progress class for hf_hub_download that draws nothing, adds up the bytes of all files and reports the sum."""
    from huggingface_hub.utils import tqdm

    class ByteCounter(tqdm):
        fetched = 0

        def __init__(self, *values: object, **options: object) -> None:
            super().__init__(*values, **{**options, "disable": True})  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            ByteCounter.fetched += int(n or 0)
            if report:
                report(ByteCounter.fetched)

    return ByteCounter


def check_disk(needed: int, folder: Path) -> None:
    """Raise ModelError if the cache's disk has less than `needed` bytes free."""
    existing = find_existing(folder.parent)
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise ModelError(
            f"the download needs {needed / 1e9:.1f} GB, and the disk of {existing} has {free / 1e9:.1f} GB free",
            hint="free some space (genai models remove NAME), or set HF_HOME to a folder on another disk",
        )
