"""Fetching the files of a pinned commit: what is checked before the first weight, and what when each has arrived."""

import shutil
from pathlib import Path, PurePosixPath
from typing import Any

from genai_cli.errors import GenaiError, ModelError
from genai_cli.events import Emit, Progress
from genai_cli.model.choice import choose
from genai_cli.model.client import connection, describe
from genai_cli.model.failures import hub_failure, prefixed
from genai_cli.model.files import CARD, FetchOptions, FileChoice
from genai_cli.model.intact import check_noted, check_size, discard, note_unchecked
from genai_cli.model.license import check_license, read_license
from genai_cli.model.names import ModelReference
from genai_cli.model.safety import refuse_code_settings
from genai_cli.model.storage import LARGEST_JSON, DamagedError, read_json, snapshot_folder

WEIGHTS = ".safetensors"


def download(reference: ModelReference, options: FetchOptions, emit: Emit) -> FileChoice:
    """Download what is needed of a pinned commit.

    Kind, licence, code and free disk are judged before the first weight. Raises ModelError, NetworkError, RefusedError,
    InputError.
    """
    try:
        with connection(emit):
            repository = Repository(reference)
            choice = repository.choose(options)
            repository.fetch(choice, emit)
    except Exception as error:
        failure = prefixed(hub_failure(error, reference), reference)
        raise failure from (None if isinstance(error, GenaiError) else error)
    return choice


class Repository:
    """The files of one commit on the hub, and the folder of the cache they go to."""

    def __init__(self, reference: ModelReference) -> None:
        self.reference = reference
        self.folder = snapshot_folder(reference)
        listed = describe(reference.id, str(reference.revision), files=True).siblings or []
        files = [file for file in listed if is_inside(file.rfilename)]
        self.sizes: dict[str, int | None] = {file.rfilename: file.size for file in files}
        self.hashes: dict[str, str] = {file.rfilename: file.lfs.sha256 for file in files if file.lfs}

    def choose(self, options: FetchOptions) -> FileChoice:
        """The files to have, when all that the small ones tell has been judged."""
        choice = choose(self.reference, self.sizes, self.read, options)
        if CARD in choice.files:
            self.have(CARD)
        check_license(self.reference.id, read_license(self.folder), options.licenses)
        check_disk(self.missing(choice), self.folder)
        refuse_code_settings(choice.files, self.read)
        return choice

    def missing(self, choice: FileChoice) -> int:
        """How many bytes are to be fetched."""
        return sum(self.sizes[name] or 0 for name in choice.files if not self.has(name))

    def fetch(self, choice: FileChoice, emit: Emit) -> None:
        """Fetch what is missing, the weights last: once they are there, so is everything else."""
        counter = byte_counter(f"fetching {self.reference.id}", self.missing(choice), emit)
        for name in sorted(choice.files, key=lambda name: name.endswith(WEIGHTS)):
            self.have(name, counter)

    def read(self, name: str) -> dict[str, Any]:
        """One of the JSON files, fetched where it is not at hand."""
        if (self.sizes[name] or 0) > LARGEST_JSON:
            raise ModelError(f"{name} is broken: larger than {LARGEST_JSON >> 20} MiB")
        self.have(name)
        return read_json(self.folder, name)

    def has(self, name: str) -> bool:
        """Whether a file is at hand and as long as the hub says."""
        file = self.folder / name
        if not file.is_file() or self.sizes[name] not in (None, file.stat().st_size):
            return False
        try:
            if name.endswith(WEIGHTS):
                check_size(file)
        except DamagedError:
            return False
        return True

    def have(self, name: str, counter: Any = None) -> None:
        """Fetch a file that is not at hand, or not whole, and check one that has not been checked since it arrived."""
        from huggingface_hub import hf_hub_download

        file = self.folder / name
        if not self.has(name):
            if file.is_symlink() or file.exists():
                discard(file)
            if name in self.hashes:
                note_unchecked(self.folder, name, self.hashes[name])
            hf_hub_download(self.reference.id, name, revision=self.reference.revision, tqdm_class=counter)
        check_noted(self.folder, name)


def is_inside(name: str) -> bool:
    """Whether a file's name in a repository leads nowhere else."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name


def byte_counter(label: str, total: int, emit: Emit) -> Any:
    """A progress class for hf_hub_download that adds up the bytes of all files and emits them."""
    from huggingface_hub.utils import tqdm

    class ByteCounter(tqdm):  # type: ignore[misc]
        fetched = 0

        def update(self, n: float | None = 1) -> None:
            ByteCounter.fetched += int(n or 0)
            emit(Progress(label, min(ByteCounter.fetched, total), total))

        def display(self, *_: Any, **__: Any) -> None:
            """The library draws nothing: whoever receives the events does."""

    return ByteCounter


def check_disk(needed: int, folder: Path) -> None:
    """Raise ModelError where the cache's disk has less than `needed` bytes free."""
    existing = next(parent for parent in folder.parents if parent.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise ModelError(
            f"{needed / 1e9:.1f} GB are to be fetched and the disk of {existing} has {free / 1e9:.1f} GB free",
            hint="free some space (genai models remove NAME), or set HF_HOME to a folder on another disk",
        )
