"""Which recogniser a checkpoint is, and what it can do, as its small files tell before its weights load."""

from pathlib import Path
from typing import TYPE_CHECKING

from genai_cli.errors import InputError, nearest
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.hearing.hearer import Hearer, Wish
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

WHISPER = "whisper"
TRANSDUCERS = ("ForTDT", "ForRNNT")
CTC = "ForCTC"
ENGLISH = "en"


def load_hearer(files: "ModelFiles", placement: "Placement") -> Hearer:
    """The model of a checkpoint, loaded."""
    if is_whisper(files.folder):
        from genai_cli.modality.hearing.whisper import Whisper

        return Whisper(files, placement)
    from genai_cli.modality.hearing.others import Framewise, Spoken

    if files.architecture.endswith(CTC):
        return Framewise(files, placement)
    transducer = next((ending for ending in TRANSDUCERS if files.architecture.endswith(ending)), None)
    return Spoken(files.architecture if transducer else "AutoModelForSpeechSeq2Seq", files, placement)


def is_whisper(folder: Path) -> bool:
    """Whether a checkpoint is a Whisper."""
    return read_optional_json(folder / "config.json").get("model_type") == WHISPER


def check_wish(folder: Path, wish: Wish, model: str) -> None:
    """Raise InputError for what a checkpoint cannot do."""
    if not is_whisper(folder):
        given = {
            "--language": wish.language,
            "--task translate": wish.translate,
            "--initial-prompt": wish.initial_prompt,
            "--temperature": wish.temperature,
        }
        refused = next((name for name, value in given.items() if value), None)
        if refused:
            raise InputError(f"{refused} is for Whisper, and {model} is none", hint=f"leave {refused} out")
        return
    stated = read_optional_json(folder / "generation_config.json")
    if wish.word_timestamps and not stated.get("alignment_heads"):
        what = f"{model} does not say which of its attentions tell the times of words (alignment_heads)"
        raise InputError(what, hint="leave --word-timestamps out; segments have times")
    if not hears_several(stated):
        if wish.translate:
            raise InputError(f"{model} hears English only: there is nothing to translate", hint="-m whisper")
        if wish.language and find_code(wish.language, [ENGLISH]) != ENGLISH:
            raise InputError(f"{model} hears English only, not {wish.language}", hint="-m whisper hears 99 languages")


def hears_several(stated: JsonObject) -> bool:
    """Whether a Whisper hears more than English, as its generation_config.json states."""
    return bool(stated.get("is_multilingual", bool(stated.get("lang_to_id"))))


def find_language(folder: Path, language: str | None) -> str | None:
    """The code of a language by its code or its English name; None where nobody has said it. Raises InputError."""
    if not is_whisper(folder):
        return None
    stated = read_optional_json(folder / "generation_config.json")
    if not hears_several(stated):
        return ENGLISH
    known = [name.strip("<|>") for name in stated.get("lang_to_id") or {}]
    if language is None or not known:
        return None
    return find_code(language, known)


def find_code(language: str, known: list[str]) -> str:
    """The code of a language among those that are known. Raises InputError."""
    name = language.strip().strip("<|>").lower()
    if name in known:
        return name
    from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

    code = TO_LANGUAGE_CODE.get(name)
    if code in known or (code and known == [ENGLISH]):
        return str(code)
    names = [*known, *(word for word, found in TO_LANGUAGE_CODE.items() if found in known)]
    hint = nearest(name, names) or "a code such as en, de, zh, or a name in English"
    raise InputError(f"the model does not hear {language!r}", hint=hint)
