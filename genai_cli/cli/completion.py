"""What the shell completes: the values of options, and the names of models. Nothing heavy is imported for it."""

import os
from collections.abc import Callable
from pathlib import Path

from genai_cli.request.option import Declared

MODEL_FOLDER = "models--"  # how the hub's cache names the folder of a model


def make_completion(declared: Declared) -> Callable[[str], list[str]] | None:
    """What completes the values of an option; None where any value may do."""
    option = declared.option
    if declared.name == "model":
        return complete_model
    if option.complete is not None:
        finish = option.complete

        def complete_values(incomplete: str) -> list[str]:
            return list(finish(incomplete))

        return complete_values
    if not option.choices:
        return None

    def complete_choices(incomplete: str) -> list[str]:
        return [choice for choice in option.allowed() if choice.startswith(incomplete)]

    return complete_choices


def complete_model(incomplete: str) -> list[str]:
    """The names of models at hand: built in, aliases, those in the cache, and folders."""
    from genai_cli.hub.reference import BUILT_IN
    from genai_cli.modality.registry import load_catalog

    names = [BUILT_IN, *load_catalog().aliases, *list_cached()]
    folders = [f"{path}/" for path in Path().glob(f"{incomplete}*") if path.is_dir()] if incomplete else []
    return [name for name in names if name.startswith(incomplete)] + folders


def list_cached() -> list[str]:
    """The models in the hub's cache, read from the names of its folders."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    home = Path(os.environ.get("HF_HOME") or caches / "huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    folders = sorted(cache.glob(f"{MODEL_FOLDER}*")) if cache.is_dir() else []
    return [folder.name.removeprefix(MODEL_FOLDER).replace("--", "/") for folder in folders]
