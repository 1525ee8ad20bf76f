"""Dia: dialogues of two speakers, by [S1] and [S2] in the text, with laughs and sighs in parentheses."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from genai_cli.errors import InputError
from genai_cli.modality.speaking.codec import find_codec, load_processor
from genai_cli.modality.speaking.frames import bound_frames, check_end
from genai_cli.modality.speaking.sentences import Piece
from genai_cli.modality.speaking.speaker import Manner, Speaker, to_samples
from genai_cli.modality.speaking.turns import join_pieces, refuse_sound, split_dialogue, split_turns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

MARK = re.compile(r"\[(S[12])\]")
VOICES = ("S1", "S2")


class Dia(Speaker):
    """A model that hears a whole dialogue at once, and whose codec (DAC) is another repository."""

    reads_letters: ClassVar[bool] = False
    probes: ClassVar[bool] = False

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        from genai_cli.device.loading import load_model

        self.model = load_model(files.architecture, files, placement)
        self.processor = load_processor(files, placement)
        self.tokenizer = self.processor.tokenizer
        self.device = placement.device
        codec = self.processor.audio_tokenizer.config
        self.rate = int(codec.sampling_rate)
        self.frame_rate = self.rate / codec.hop_length

    @classmethod
    def find_companions(cls, folder: Path) -> tuple[str, ...]:
        return find_codec(folder)

    @classmethod
    def check_voice(cls, folder: Path, manner: Manner) -> None:
        refuse_sound(cls.name(folder), manner, "--voice S1 or S2 chooses a speaker")
        if manner.voice is not None and manner.voice not in VOICES:
            raise InputError(f"there is no voice {manner.voice!r}", hint="S1 or S2")

    def split(self, text: str, manner: Manner, language: str | None) -> list[Piece]:
        """Sentences together, as long as they may be: a short text sounds unnatural, and a dialogue is one sound."""
        return join_pieces(split_dialogue(split_turns(text, MARK, manner.voice or VOICES[0]), language))

    def say(self, text: str, manner: Manner) -> "NDArray[np.float32]":
        import torch

        del manner  # the text names the speaker
        inputs = self.processor(text=text, return_tensors="pt").to(self.device)
        config = self.model.config
        longest = int(config.encoder_config.max_position_embeddings)
        if inputs["input_ids"].shape[1] > longest:
            raise InputError(f"a piece of {len(text)} characters is too long: the model reads {longest} bytes")
        # The frames of a codec's parts come one after the other, and two more mark begin and end.
        extra = max(config.delay_pattern) + 2
        bound = bound_frames(text, self.frame_rate, int(config.decoder_config.max_position_embeddings) - extra)
        with torch.inference_mode():
            made = self.model.generate(**inputs, max_new_tokens=bound + extra - 1)
            check_end(int((made[0, :, 0] < config.decoder_config.eos_token_id).sum()), bound, self.frame_rate)
            return to_samples(self.processor.batch_decode(made)[0])
