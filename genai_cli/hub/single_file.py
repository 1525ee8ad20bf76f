"""A checkpoint in one file as a model: its SHA-256 is its revision, and what it lacks ships in the package."""

import re
from pathlib import Path

import genai_cli
from genai_cli.errors import ModelError
from genai_cli.hub.hashes import hash_file
from genai_cli.hub.reference import ModelReference
from genai_cli.hub.weight_kinds import SingleFile, describe_single_file
from genai_cli.hub.weights_file import read_header

LAYOUTS = Path(genai_cli.__file__).parent / "layouts"
"""The configurations and tokenizers of the kinds that are taken as a single file."""
VOCABULARY = "clip"
"""The folder among them of the tokenizer that all of them share."""
SHA256 = re.compile(r"[0-9a-f]{64}")


def parse_single_file(name: str, file: Path, revision: str | None) -> ModelReference:
    """The model in a file. Raises InputError or RefusedError for a file of another kind, ModelError for a broken one.

    A revision is the SHA-256 that the file must have.
    """
    kind = describe(file)
    try:
        sha256 = hash_file(file)
    except OSError as error:
        raise ModelError(f"{name} cannot be read: {error.strerror or error}") from None
    if revision is not None and revision != sha256:
        raise ModelError(
            f"{name} is not the file that is meant: its sha256 is {sha256[:12]}..., not {revision[:12]}...",
            hint="-m FILE names the right one, wherever it lies now",
        )
    return ModelReference(name, sha256, folder=LAYOUTS / kind.layout, file=file.absolute())


def describe(file: Path) -> SingleFile:
    """What a checkpoint in one file is. Raises as `parse_single_file` does."""
    return describe_single_file(file, read_header(file))
