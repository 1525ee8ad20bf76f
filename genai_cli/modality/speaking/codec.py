"""The codec that turns a model's frames into sound, where it is another repository or a folder of the model's own."""

from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from transformers import ProcessorMixin

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

OWN_FILE = "audio_tokenizer_config.json"  # where older checkpoints name the codec; the library reads it first


def read_codec(folder: Path) -> JsonObject:
    """The class and the name of the codec, as a checkpoint's processor states them; {} if it states none."""
    stated = read_optional_json(folder / OWN_FILE)
    return stated or read_optional_json(folder / "processor_config.json").get("audio_tokenizer") or {}


def name_codec(folder: Path) -> str:
    """The codec that a checkpoint names: a repository, or a folder of its own; "" if it names none."""
    return str(read_codec(folder).get("audio_tokenizer_name_or_path") or "")


def find_codec(folder: Path) -> tuple[str, ...]:
    """The repository of the codec, where it is not in the checkpoint's own folder."""
    name = name_codec(folder)
    return (name,) if name and not (folder / name).is_dir() else ()


def load_processor(files: "ModelFiles", placement: "Placement") -> "ProcessorMixin":
    """A model's processor, with its codec on the model's device."""
    from genai_cli.device.loading import load_processor_with_codec

    stated = read_codec(files.folder)
    other = files.companions.get(name_codec(files.folder))
    processor = load_processor_with_codec(files, other, OWN_FILE, stated)
    processor.audio_tokenizer.to(placement.device).eval()
    return processor
