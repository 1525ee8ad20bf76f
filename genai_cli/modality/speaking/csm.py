"""CSM: speech for conversations, with the number of the speaker before each text."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from genai_cli.errors import ResultError
from genai_cli.modality.speaking.frames import bound_frames, check_end
from genai_cli.modality.speaking.health import HINT
from genai_cli.modality.speaking.sentences import Piece
from genai_cli.modality.speaking.speaker import Manner, Speaker, choose_number, to_samples
from genai_cli.modality.speaking.turns import refuse_sound, split_dialogue, split_turns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

MARK = re.compile(r"^[^\S\n]*\[(\d)\]", re.MULTILINE)  # at a line's begin alone: elsewhere it may be a footnote's
SPEAKERS = 10  # the model states no number; a mark is one digit


class Csm(Speaker):
    """A model that holds its codec (Mimi) itself, and takes seconds for a second of speech on a CPU."""

    reads_letters: ClassVar[bool] = False
    probes: ClassVar[bool] = False

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        from genai_cli.device.loading import load_companion, load_model

        self.model = load_model(files.architecture, files, placement)
        self.tokenizer = load_companion("AutoTokenizer", files)
        self.device = placement.device
        codec = self.model.config.codec_config
        self.rate = int(codec.sampling_rate)
        self.codes = int(codec.codebook_size)  # fewer than the model's own, some of which are marks
        self.frame_rate = float(codec.frame_rate)

    @classmethod
    def check_voice(cls, folder: Path, manner: Manner) -> None:
        refuse_sound(cls.name(folder), manner, f"--voice 0 to {SPEAKERS - 1} chooses a speaker")
        choose_number(folder, manner, SPEAKERS)

    def split(self, text: str, manner: Manner, language: str | None) -> list[Piece]:
        """The sentences, each with the number of its speaker."""
        turns = split_turns(text, MARK, str(int(manner.voice or 0)))
        return [Piece(f"[{speaker}]{piece.text}", piece.pause) for speaker, piece in split_dialogue(turns, language)]

    def say(self, text: str, manner: Manner) -> "NDArray[np.float32]":
        import torch

        del manner  # the text names the speaker
        inputs = self.tokenizer(text, return_tensors="pt").to(self.device)
        longest = int(self.model.config.max_position_embeddings) - inputs["input_ids"].shape[1]
        bound = bound_frames(text, self.frame_rate, longest)
        with torch.inference_mode():
            codes = self.model.generate(
                inputs["input_ids"], attention_mask=inputs["attention_mask"], max_new_tokens=bound
            )[0]
            frames = codes[:-1] if len(codes) < bound else codes  # the last one says that it is the end
            check_end(len(frames), bound, self.frame_rate)
            if int(frames.max()) >= self.codes:
                raise ResultError("the model says what its codec has no sound for", hint=HINT)
            return to_samples(self.model.codec_model.decode(frames.T[None]).audio_values)
