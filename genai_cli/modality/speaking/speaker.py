"""What a model that speaks can do, and how it says one piece of a text."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from genai_cli.errors import InputError
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.speaking.sentences import Piece, split_text
from genai_cli.request.input import Input
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles


@dataclass(frozen=True)
class Manner:
    """How something is said: by which voice, how fast (1 is the model's own pace), and in which language."""

    voice: str | None = None
    voice_file: Input | None = None
    speed: float = 1.0
    language: str | None = None


class Speaker(ABC):
    """A loaded model of one family."""

    reads_letters: ClassVar[bool] = True
    """Whether it reads letters alone, so that numbers and signs have to be words."""
    sets_speed: ClassVar[bool] = False
    probes: ClassVar[bool] = True
    """Whether it is quick enough to say a word more, to tell that it does not say the same for every text."""
    rate: int
    tokenizer: "PreTrainedTokenizerBase"

    @abstractmethod
    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        """Load it."""

    @classmethod
    def find_companions(cls, folder: Path) -> tuple[str, ...]:
        """The repositories without which the checkpoint in `folder` makes no sound."""
        del folder
        return ()

    @classmethod
    def check(cls, folder: Path, manner: Manner) -> None:
        """Raise InputError for what the checkpoint cannot do, told from its files."""
        if manner.speed != 1 and not cls.sets_speed:
            raise InputError(f"{cls.name(folder)} has one pace", hint="leave --speed out")
        cls.check_voice(folder, manner)

    @classmethod
    def check_voice(cls, folder: Path, manner: Manner) -> None:
        """Raise InputError for a voice that the checkpoint does not have: here there is one alone."""
        if manner.voice is not None or manner.voice_file is not None:
            raise InputError(f"{cls.name(folder)} has one voice", hint="leave --voice out")

    @staticmethod
    def name(folder: Path) -> str:
        """What the model in a folder is called in an error."""
        return f"this {read_optional_json(folder / 'config.json').get('model_type') or 'model'!s} model"

    def find_language(self) -> str | None:
        """The language that the checkpoint states."""
        return getattr(self.tokenizer, "language", None)

    def split(self, text: str, manner: Manner, language: str | None) -> list[Piece]:
        """The pieces of a text that are said one after the other: its sentences."""
        del manner
        return split_text(text, language)

    @abstractmethod
    def say(self, text: str, manner: Manner) -> "NDArray[np.float32]":
        """Samples of shape (samples,). Randomness comes from torch's global generators. Raises InputError."""


def to_samples(sound: "Tensor") -> "NDArray[np.float32]":
    """A model's sound, of one item, as samples of shape (samples,)."""
    found: NDArray[np.float32] = sound.detach().float().reshape(-1).cpu().numpy()
    return found


def choose_number(folder: Path, manner: Manner, count: int) -> int | None:
    """The number of one of so many voices that are told apart by numbers. Raises InputError."""
    if manner.voice_file is not None:
        raise InputError(f"{Speaker.name(folder)} takes no file as a voice", hint=f"--voice 0 to {count - 1}")
    if manner.voice is None:
        return 0 if count > 1 else None
    if count <= 1:
        raise InputError(f"{Speaker.name(folder)} has one voice", hint="leave --voice out")
    if not manner.voice.isdecimal() or int(manner.voice) >= count:
        raise InputError(f"there is no voice {manner.voice!r}", hint=f"0 to {count - 1}")
    return int(manner.voice)


def read_rate(config: JsonObject, folder: Path, usual: int) -> int:
    """The samples a second that a checkpoint states, in whichever of its files."""
    vocoder = config.get("vocoder_config") or {}
    features = read_optional_json(folder / "preprocessor_config.json")
    stated = (config.get("sampling_rate"), vocoder.get("sampling_rate"), features.get("sampling_rate"))
    return int(next((value for value in stated if value), usual))
