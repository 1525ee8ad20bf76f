"""Pocket TTS and Phonon: a small transformer that says frames of a codec, quick on a processor."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from genai_cli.errors import InputError
from genai_cli.modality.checkpoint import read_optional_json
from genai_cli.modality.speaking.codec import find_codec, load_processor
from genai_cli.modality.speaking.speaker import Manner, Speaker, to_samples
from genai_cli.modality.speaking.voices import VECTORS, read_vector, read_voice_sound
from genai_cli.request.input import Input
from genai_cli.types import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genai_cli.device.placement import Placement
    from genai_cli.hub.fetching import ModelFiles

OWN_VOICES = "voices"  # a folder of a checkpoint, with a file for each of its voices


class Pocket(Speaker):
    """A model whose codec is another repository, or a folder inside its own."""

    reads_letters: ClassVar[bool] = False

    def __init__(self, files: "ModelFiles", placement: "Placement") -> None:
        from genai_cli.device.loading import load_model

        self.model = load_model(files.architecture, files, placement)
        self.processor = load_processor(files, placement)
        self.tokenizer = self.processor.tokenizer
        self.folder, self.device = files.folder, placement.device
        self.rate = int(self.processor.feature_extractor.sampling_rate)

    @classmethod
    def find_companions(cls, folder: Path) -> tuple[str, ...]:
        return find_codec(folder)

    @classmethod
    def check_voice(cls, folder: Path, manner: Manner) -> None:
        if manner.voice is not None:
            find_own_voice(folder, manner.voice)
        if manner.voice_file is not None and is_vector(manner.voice_file):
            check_frames(manner.voice_file, read_dimensions(folder))

    def say(self, text: str, manner: Manner) -> "NDArray[np.float32]":
        import torch

        voice = self.read_voice(manner)
        content: list[JsonObject] = [{"type": "audio"}] if voice else []
        content.append({"type": "text", "text": text})
        prompt = self.processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
        inputs = self.processor(text=prompt, return_tensors="pt", **voice).to(self.device)
        with torch.inference_mode():
            made = self.model.generate(**inputs, return_dict_in_generate=True)
            frames = made.audio_latents[0][made.audio_latents_mask[0].bool()]
            return to_samples(self.processor.decode(frames))

    def read_voice(self, manner: Manner) -> JsonObject:
        """The arguments of the processor that make a voice; none without one."""
        import torch

        source = manner.voice_file
        if manner.voice is not None:
            path = find_own_voice(self.folder, manner.voice)
            source = Input.read(path, path.name)
        if source is None:
            return {}
        if is_vector(source):
            return {"audio_prompt_latents": [torch.from_numpy(check_frames(source, read_dimensions(self.folder)))]}
        return {"audio": [read_voice_sound(source, self.rate)], "sampling_rate": self.rate}


def read_dimensions(folder: Path) -> int:
    """How many numbers a frame of a voice has."""
    config = read_optional_json(folder / "config.json")
    return int(config.get("audio_prompt_dim") or config.get("latent_dim") or 32)


def is_vector(source: Input) -> bool:
    """Whether a voice is stated in numbers and not recorded."""
    return source.name.lower().endswith(VECTORS)


def check_frames(source: Input, dimensions: int) -> "NDArray[np.float32]":
    """The frames of a voice, of shape (frames, dimensions). Raises InputError where it is one of another model."""
    values = read_vector(source).values
    frames = values[None] if values.ndim == 1 else values
    if frames.shape[1] != dimensions:
        shape = "x".join(map(str, frames.shape))
        raise InputError(f"{source.name} holds {shape} numbers, and the model takes frames of {dimensions}")
    return frames


def find_own_voice(folder: Path, name: str) -> Path:
    """The file of a voice that is with the checkpoint. Raises InputError where there is none of that name."""
    known = {path.stem: path for path in sorted((folder / OWN_VOICES).glob("*")) if path.suffix in VECTORS}
    if name not in known:
        hint = f"one of {', '.join(known)}" if known else "--voice FILE takes a voice in .npy, .safetensors or a sound"
        raise InputError(f"the model has no voice called {name!r} in its folder", hint=hint)
    return known[name]
