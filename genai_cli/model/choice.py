"""Which files a run takes of a model, judged by names and small files: its kind, its variant, and that none is code."""

from collections.abc import Callable, Collection
from typing import Any

from genai_cli.model.files import FetchOptions, FileChoice, choose_files, component_folders, index_name
from genai_cli.model.kinds import check_kind
from genai_cli.model.names import ModelReference
from genai_cli.model.safety import refuse_code_files, refuse_code_settings


def choose(
    reference: ModelReference, names: Collection[str], read_json: Callable[[str], dict[str, Any]], options: FetchOptions
) -> FileChoice:
    """The files to have among the names in a repository or folder; `read_json` has one of them at hand.

    Raises RefusedError, InputError for a model of another kind, ModelError where the files do not suffice.
    """
    index = index_name(names)
    refuse_code_files(names, component_folders(names, read_json, options.unused))
    refuse_code_settings([index], read_json)
    check_kind(read_json(index), options.task, reference.id)
    return choose_files(names, read_json, options.variant, options.dtype == "float32", options.unused)
